// The build without inline workers: a strict content security policy allows it.
declare module 'maplibre-gl/dist/maplibre-gl-csp.js' {
  import maplibregl from 'maplibre-gl'
  export default maplibregl
}
