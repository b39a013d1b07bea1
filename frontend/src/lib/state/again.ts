/** A question that is asked one at a time, and once more when it was wanted again meanwhile: its answer was on
    the way already and may be older than the wish. */
export function again(ask: () => Promise<void>): () => Promise<void> {
  let asking = false;
  let wanted = false;
  return async () => {
    if (asking) {
      wanted = true;
      return;
    }
    asking = true;
    do {
      wanted = false;
      await ask();
    } while (wanted);
    asking = false;
  };
}
