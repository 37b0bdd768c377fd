/** A `<base_event>` of one online event in 2030, with one zone. */
export const event = (id: number | string, changes: Record<string, string> = {}) => {
  const attributes = {
    event_start_date: '2030-05-01T20:00:00',
    event_end_date: '2030-05-01T21:00:00',
    event_id: String(id),
    sell_from: '2029-01-01T00:00:00',
    sell_to: '2030-05-01T19:00:00',
    sold_out: 'false',
    ...changes
  }
  const written = Object.entries(attributes).map(([name, value]) => `${name}="${value}"`)
  return `<base_event base_event_id="${id}" sell_mode="online" title="Event ${id}"><event ${written.join(' ')}>
    <zone zone_id="1" capacity="10" price="20.50" name="A" numbered="true"/></event></base_event>`
}
/** A feed. */
export const list = (...events: string[]) =>
  `<?xml version="1.0"?><eventList><output>${events.join('\n')}</output></eventList>`
export const three = list(event(1), event(2), event(3))
