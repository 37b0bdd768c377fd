import { fileURLToPath } from 'node:url'
import { FormatRegistry } from '@sinclair/typebox'
import { Cron } from 'croner'

/** Formats of configuration values. */
FormatRegistry.Set('feed-url', isFeedUrl)
FormatRegistry.Set('webhook', (text) => text === '' || (/^https?:/.test(text) && isFeedUrl(text)))
FormatRegistry.Set('timezone', isTimezone)
FormatRegistry.Set('cron', isCron)
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

function isTimezone(text: string): boolean {
  try {
    // Offsets such as +01:00 are accepted there too, but are no zones: they know no daylight saving.
    return /^[A-Za-z]/.test(text) && new Intl.DateTimeFormat('en', { timeZone: text }) !== undefined
  } catch {
    return false
  }
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
