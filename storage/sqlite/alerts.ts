import type { Alert } from '../kit/alert.ts'
import type { Storage } from '../kit/contract.ts'
import type { Database } from './database.ts'

export function createAlerts({ all, run, attempt, fenced }: Database): Pick<Storage, 'alerts' | 'saveAlerts'> {
  return {
    alerts: () =>
      attempt(() => all('select json from alerts order by no').map(({ json }) => JSON.parse(json as string) as Alert)),
    saveAlerts: (lease, alerts) =>
      fenced({ lease }, () => {
        run('delete from alerts')
        for (const alert of alerts) run('insert into alerts (json) values (?)', JSON.stringify(alert))
      })
  }
}
