import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vitest/config'

// The service that the development server passes requests on to (tools/dev_api.py listens there).
const SERVICE = 'http://127.0.0.1:8010'

export default defineConfig({
  base: '/',
  plugins: [svelte()],
  build: {
    outDir: '../src/twin/console',
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1100,
    rolldownOptions: {
      output: { codeSplitting: { groups: [{ name: 'maplibre', test: /maplibre-gl/ }] } },
    },
  },
  server: {
    port: 5173,
    proxy: { '/api': { target: SERVICE, ws: true }, '/health': { target: SERVICE } },
  },
  test: { include: ['src/**/*.test.ts'] },
})
