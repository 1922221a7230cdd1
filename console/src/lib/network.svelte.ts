// The map that everything is drawn on: loaded once a version, and kept.

import type { FeatureCollection, LineString } from 'geojson'
import { get } from './api'
import type { CorridorAnswer, LinkProperties, NetworkAnswer } from './types'

export type Links = FeatureCollection<LineString, LinkProperties>

class Network {
  summary = $state.raw<NetworkAnswer | null>(null)
  links = $state.raw<Links | null>(null)
  corridors = $state.raw<CorridorAnswer[]>([])
  private byId = new Map<string, LinkProperties>()
  private readonly layers = new Map<string, Promise<FeatureCollection>>()
  private readonly names = new Map<string, string>()

  async load(): Promise<void> {
    const summary = await get<NetworkAnswer>('network')
    const [links, corridors] = await Promise.all([
      get<Links>(`network/${summary.version}/links`),
      get<CorridorAnswer[]>('corridors'),
    ])
    this.byId = new Map(links.features.map((feature) => [feature.properties.id, feature.properties]))
    this.layers.clear()
    this.names.clear()
    this.summary = summary
    this.corridors = corridors
    this.links = links
    await Promise.all(['junctions', 'gates'].map((layer) => this.learnNames(layer)))
  }

  /** One layer's features, asked for at first need. */
  layer(name: string): Promise<FeatureCollection> {
    const version = this.summary?.version ?? ''
    const known = this.layers.get(name)
    if (known !== undefined) return known
    const asked = get<FeatureCollection>(`network/${version}/${name}`)
    this.layers.set(name, asked)
    asked.catch(() => this.layers.delete(name))
    return asked
  }

  link(id: string | null): LinkProperties | undefined {
    return id === null ? undefined : this.byId.get(id)
  }

  linkAt(row: number): LinkProperties | undefined {
    return this.links?.features[row]?.properties
  }

  /** Name of a junction or a gate, or its id where the map has no name. */
  nameOf(id: string): string {
    return this.names.get(id) ?? id
  }

  /** Junctions and gates, for the search. */
  places(): [id: string, name: string][] {
    return [...this.names]
  }

  corridorOf(link: string): CorridorAnswer | undefined {
    return this.corridors.find((corridor) => corridor.links.some((part) => part.id === link))
  }

  private async learnNames(layer: string): Promise<void> {
    if ((this.summary?.counts[layer] ?? this.summary?.layers[layer]?.count ?? 0) === 0) return
    const features = await this.layer(layer).catch(() => null)
    for (const feature of features?.features ?? []) {
      const id = String(feature.properties?.id)
      this.names.set(id, String(feature.properties?.name || id))
    }
  }
}

export const network = new Network()

/** How a link is called: its name, or its road, or its id. */
export function linkName(link: LinkProperties): string {
  return link.name || link.road || link.id
}
