/* What connections ask the operator. An answer is handed on and never kept here; a question that somebody else
   answered, or that its connection gave up, disappears with the next look. */

import type { Answer, Backend, Prompt } from '../types';
import { again } from './again';
import type { Problems } from './problems.svelte';

const RECHECK = 5000; // ms: a question nobody sees would hold its connection up until it times out

export class Prompts {
  #backend: Backend;
  #problems: Problems;
  #pending = $state.raw<Prompt[]>([]);
  #answered = new Set<string>();

  constructor(backend: Backend, problems: Problems) {
    this.#backend = backend;
    this.#problems = problems;
  }

  get pending(): Prompt[] {
    return this.#pending;
  }

  /** The questions of the dialog that is shown: one, or every unknown host key when several are. */
  readonly shown: Prompt[] = $derived.by(() => {
    const first = this.#pending[0];
    if (!first) return [];
    return first.kind === 'host-key' ? this.#pending.filter((prompt) => prompt.kind === 'host-key') : [first];
  });

  open(): () => void {
    const off = this.#backend.on('prompt', () => void this.refresh());
    const timer = setInterval(() => void this.refresh(), RECHECK);
    void this.refresh();
    return () => {
      off();
      clearInterval(timer);
    };
  }

  readonly refresh = again(async () => {
    const pending = await this.#problems.guard('ask what the connections want to know', () => this.#backend.prompts.pending());
    if (pending) this.#take(pending.filter((prompt) => !this.#answered.has(prompt.id)));
  });

  /** Questions that are there already stay the same objects, so that a dialog keeps what was typed into it. */
  #take(pending: Prompt[]): void {
    const known = new Map(this.#pending.map((prompt) => [prompt.id, prompt]));
    const next = pending.map((prompt) => known.get(prompt.id) ?? prompt);
    if (next.length !== this.#pending.length || next.some((prompt, i) => prompt !== this.#pending[i])) this.#pending = next;
  }

  async answer(id: string, answer: Answer): Promise<void> {
    this.#answered.add(id);
    this.#pending = this.#pending.filter((prompt) => prompt.id !== id);
    await this.#problems.guard('answer the question', () => this.#backend.prompts.answer(id, answer));
    await this.refresh();
  }
}
