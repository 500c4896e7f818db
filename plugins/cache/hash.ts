/** FNV-1a, 32 bits with a sign: quick for short keys, and even enough for tables that forget. */
export function hash(text: string): number {
  let value = 0x811c9dc5 | 0
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193)
  return value
}
