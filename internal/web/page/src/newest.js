// Newest: an answer that was asked for earlier must not replace what came later.
export class Newest {
  #turn = 0

  // begin makes all that was asked for before old. It returns a function that tells
  // whether nothing has begun since.
  begin() {
    const mine = ++this.#turn
    return () => mine === this.#turn
  }
}
