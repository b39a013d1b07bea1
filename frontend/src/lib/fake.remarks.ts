/* What was said of the jobs of the fake backend. */

import { AppError, type Backend, type Job, type Remark } from './types';

export class FakeRemarks {
  #said: Remark[] = [];

  say(job: string, kind: Remark['kind'], text = '', by = 'ada@zeta', ago = 0): void {
    this.#said.push({ kind, job, at: new Date(Date.now() - ago).toISOString(), by, text });
  }

  marks(id: string): Pick<Job, 'pinned' | 'labels' | 'notes'> {
    const labels = new Set<string>();
    let pinned = false;
    let notes = 0;
    for (const { kind, text } of this.#of(id)) {
      if (kind === 'label') labels.add(text);
      else if (kind === 'unlabel') labels.delete(text);
      else if (kind === 'note') notes++;
      else pinned = kind === 'pin';
    }
    return { ...(pinned && { pinned }), ...(labels.size > 0 && { labels: [...labels].sort() }), ...(notes > 0 && { notes }) };
  }

  #of(id: string): Remark[] {
    return this.#said.filter((remark) => remark.job === id);
  }

  readonly backend: Pick<Backend['jobs'], 'said' | 'note' | 'label' | 'pin'> = {
    said: async (id) => ({ remarks: this.#of(id), team: false, problem: '' }),
    note: async (id, text) => {
      if (text.includes('\x1b')) throw new AppError('invalid', 'the note has characters that are no text, such as control sequences');
      this.say(id, 'note', text.trim());
    },
    label: async (id, labels, remove) => {
      for (const label of labels) if (Boolean(this.marks(id).labels?.includes(label)) === remove) this.say(id, remove ? 'unlabel' : 'label', label);
    },
    pin: async (id, keep) => this.say(id, keep ? 'pin' : 'unpin'),
  };
}
