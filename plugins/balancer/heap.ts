/** Children of a place: four lie together in memory, and the heap is half as deep as with two. */
const width = 4

/**
 * The least of numbered members: by load, and among equals the one whose turn was longest ago. A member may be left
 * out, and is then in no place. Loads and turns are kept by place, so that those compared lie side by side.
 */
export class Heap {
  readonly #loads: Float64Array
  readonly #turns: Float64Array
  /** The member in each place; the least is in the first. */
  readonly #members: Int32Array
  readonly #places: Int32Array
  #size = 0

  constructor(count: number) {
    this.#loads = new Float64Array(count)
    this.#turns = new Float64Array(count)
    this.#members = new Int32Array(count)
    this.#places = new Int32Array(count).fill(-1)
  }

  /** The least. */
  get top(): number {
    return this.#members[0] as number
  }

  has(member: number): boolean {
    return (this.#places[member] as number) >= 0
  }

  clear(): void {
    this.#places.fill(-1)
    this.#size = 0
  }

  /** A member joins, or has another load or turn. */
  set(member: number, load: number, turn: number): void {
    let place = this.#places[member] as number
    if (place < 0) place = this.#size++
    const parent = (place - 1) >> 2
    if (place > 0 && this.#before(load, turn, parent)) this.#rise(place, member, load, turn)
    else this.#sink(place, member, load, turn)
  }

  /** The least one that is accepted, among the few least; undefined when none of them is. */
  find(accept: (member: number) => boolean, most: number): number | undefined {
    // Places whose parents were refused: the least that is left is among them.
    const open = [0]
    for (let looked = 0; looked < most && open.length > 0; looked++) {
      let least = 0
      for (let i = 1; i < open.length; i++) {
        const place = open[i] as number
        if (this.#before(this.#loads[place] as number, this.#turns[place] as number, open[least] as number)) least = i
      }
      const [place = 0] = open.splice(least, 1)
      const member = this.#members[place] as number
      if (accept(member)) return member
      const child = place * width + 1
      for (let next = child; next < Math.min(child + width, this.#size); next++) open.push(next)
    }
    return undefined
  }

  /** Whether this load and turn come before those in a place. */
  #before(load: number, turn: number, place: number): boolean {
    const other = this.#loads[place] as number
    return load < other || (load === other && turn < (this.#turns[place] as number))
  }

  #put(place: number, member: number, load: number, turn: number): void {
    this.#loads[place] = load
    this.#turns[place] = turn
    this.#members[place] = member
    this.#places[member] = place
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#members[from] as number, this.#loads[from] as number, this.#turns[from] as number)
  }

  #rise(from: number, member: number, load: number, turn: number): void {
    let place = from
    while (place > 0) {
      const parent = (place - 1) >> 2
      if (!this.#before(load, turn, parent)) break
      this.#move(parent, place)
      place = parent
    }
    this.#put(place, member, load, turn)
  }

  #sink(from: number, member: number, load: number, turn: number): void {
    let place = from
    for (;;) {
      const child = place * width + 1
      if (child >= this.#size) break
      const least = this.#least(child)
      if (this.#before(load, turn, least)) break
      this.#move(least, place)
      place = least
    }
    this.#put(place, member, load, turn)
  }

  /** Of the children that begin here. */
  #least(child: number): number {
    const end = Math.min(child + width, this.#size)
    let least = child
    for (let next = child + 1; next < end; next++) {
      if (this.#before(this.#loads[next] as number, this.#turns[next] as number, least)) least = next
    }
    return least
  }
}
