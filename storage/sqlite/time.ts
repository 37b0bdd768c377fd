/**
 * Sooner than `Date.parse` has it, and each event has four.
 * @param instant `YYYY-MM-DDTHH:MM:SS`, with or without a Z
 */
export function toSeconds(instant: string): number {
  const digits = (at: number) => (instant.charCodeAt(at) - 48) * 10 + instant.charCodeAt(at + 1) - 48
  const month = digits(5)
  // Of a year that begins in March, so that the leap day is its last.
  const year = digits(0) * 100 + digits(2) - (month < 3 ? 1 : 0)
  const dayOfYear = Math.floor((153 * (month + (month < 3 ? 9 : -3)) + 2) / 5) + digits(8) - 1
  const days = year * 365 + Math.floor(year / 4) - Math.floor(year / 100) + Math.floor(year / 400) + dayOfYear - 719_468
  return days * 86_400 + digits(11) * 3600 + digits(14) * 60 + digits(17)
}
