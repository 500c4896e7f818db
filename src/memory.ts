/**
 * What a policy has prepared for a list or a tier, made when first asked for and gone with its subject. Most upstreams
 * have one list at a time, so that the last one is looked at first.
 */
export class Memory<Subject extends object, State> {
  readonly #make: (subject: Subject) => State
  readonly #states = new WeakMap<Subject, State>()
  #subject: Subject | undefined
  #state: State | undefined

  constructor(make: (subject: Subject) => State) {
    this.#make = make
  }

  of(subject: Subject): State {
    if (subject === this.#subject) return this.#state as State
    let state = this.#states.get(subject)
    if (state === undefined) {
      state = this.#make(subject)
      this.#states.set(subject, state)
    }
    this.#subject = subject
    this.#state = state
    return state
  }
}
