import { fileURLToPath } from 'node:url'
import { FormatRegistry } from '@sinclair/typebox'
import { Cron } from 'croner'
import ipaddr from 'ipaddr.js'
import { isTimezone } from '../../adapters/kit/dates.ts'

/** Formats of configuration values. */
FormatRegistry.Set('feed-url', isFeedUrl)
FormatRegistry.Set('webhook', (text) => text === '' || (/^https?:/.test(text) && isFeedUrl(text)))
FormatRegistry.Set('timezone', isTimezone)
FormatRegistry.Set('cron', isCron)
FormatRegistry.Set('trust-proxy', (text) => text === '' || /^\d{1,2}$/.test(text) || text.split(',').every(isNetwork))
FormatRegistry.Set('path', (text) => !text.includes('\0'))

function isFeedUrl(text: string): boolean {
  try {
    if (text.startsWith('file:///')) return fileURLToPath(text) !== ''
    if (/^file:./.test(text)) return true
    const { username, password } = new URL(text)
    // Where they are used they are decoded, which fails for a "%" that stands for itself.
    return /^https?:\/\/./.test(text) && decodeURIComponent(username + password) !== undefined
  } catch {
    return false
  }
}

function isNetwork(text: string): boolean {
  const address = text.trim()
  return ipaddr.isValid(address) || ipaddr.isValidCIDR(address)
}

function isCron(text: string): boolean {
  const fields = text.trim().split(/\s+/).length
  if (fields !== 5 && fields !== 6) return false
  try {
    return new Cron(text).nextRun() !== null
  } catch {
    return false
  }
}
