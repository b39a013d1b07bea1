/* Hosts and how they stand. The list is replaced as a whole, and asked for again whenever Go says that something
   changed. Nothing here probes: a state is what the connections in use have shown. */

import { SvelteMap } from 'svelte/reactivity';
import { AppError, type Backend, type ChosenEngine, type Host, type HostDetail, type HostList, type Sources, type TargetList } from '../types';
import { Persisted } from './persisted.svelte';
import { again } from './again';
import type { Problems } from './problems.svelte';

const EMPTY: HostList = { hosts: [], problems: [], ssh_config: '', looked: [] };
const RECHECK = 10_000; // ms after which the list is asked for although nobody said that it changed

/** Something of one host that was asked for, and what came of it. */
export interface Asked<T> {
  busy: boolean;
  value: T | null;
  error: AppError | null;
}

export class Hosts {
  #backend: Backend;
  #problems: Problems;
  #list = $state.raw<HostList>(EMPTY);
  #loaded = $state(false);
  #selected = $state<string | null>(null);
  #details = new SvelteMap<string, Asked<HostDetail>>();
  #sources = new SvelteMap<string, Asked<Sources>>();
  #targets = new SvelteMap<string, Asked<TargetList>>();
  #engines = new SvelteMap<string, ChosenEngine>(); // as far as they were asked for
  #busy = new SvelteMap<string, boolean>(); // hosts that this window is connecting or disconnecting
  #dirs = new Persisted<Record<string, string>>('host.dirs', {});
  #byName: Map<string, Host> = $derived(new Map(this.#list.hosts.map((host) => [host.name, host])));

  readonly current: Host | null = $derived.by(() => (this.#selected === null ? null : (this.get(this.#selected) ?? null)));

  constructor(backend: Backend, problems: Problems) {
    this.#backend = backend;
    this.#problems = problems;
  }

  get list(): HostList {
    return this.#list;
  }
  get loaded(): boolean {
    return this.#loaded;
  }
  get(name: string): Host | undefined {
    return this.#byName.get(name);
  }
  busy(name: string): boolean {
    return this.#busy.get(name) ?? false;
  }
  detail(name: string): Asked<HostDetail> | undefined {
    return this.#details.get(name);
  }
  sources(name: string): Asked<Sources> | undefined {
    return this.#sources.get(name);
  }
  targets(name: string): Asked<TargetList> | undefined {
    return this.#targets.get(name);
  }
  engine(name: string): ChosenEngine | undefined {
    return this.#engines.get(name);
  }

  open(): () => void {
    const off = this.#backend.on('hosts', () => void this.refresh());
    const timer = setInterval(() => void this.refresh(), RECHECK);
    void this.refresh();
    return () => {
      off();
      clearInterval(timer);
    };
  }

  /** Asks for the list. */
  readonly refresh = again(async () => {
    const list = await this.#problems.guard('list the hosts', () => this.#backend.hosts.list());
    if (list) {
      this.#list = list;
      this.#loaded = true;
    }
  });

  select(name: string | null): void {
    this.#selected = name;
  }

  /** The folder on a host that was last listed there. */
  dir(name: string): string {
    return this.#dirs.current[name] ?? '';
  }

  /** Connects. Why it failed is part of the host's state, so it is shown there and not as a problem of the window. */
  async connect(name: string): Promise<void> {
    await this.#while(name, async () => {
      try {
        await this.#backend.hosts.connect(name);
      } catch (thrown) {
        await this.refresh();
        if (!this.get(name)?.state.error) this.#problems.report(`connect to ${name}`, thrown);
      }
    });
  }

  async disconnect(name: string): Promise<void> {
    await this.#while(name, async () => void (await this.#problems.guard(`disconnect from ${name}`, () => this.#backend.hosts.disconnect(name))));
  }

  async #while(name: string, act: () => Promise<void>): Promise<void> {
    this.#busy.set(name, true);
    await act();
    this.#busy.delete(name);
    await this.refresh();
  }

  async loadEngine(name: string): Promise<void> {
    const chosen = await this.#problems.guard(`read how ${name} is to be reached`, () => this.#backend.hosts.engine(name));
    if (chosen) this.#engines.set(name, chosen);
  }

  /** Chooses who makes the next connection. Asked for again afterwards: what is shown is what is so. */
  async setEngine(name: string, chosen: ChosenEngine): Promise<void> {
    await this.#problems.guard(`choose how ${name} is reached`, () => this.#backend.hosts.setEngine(name, chosen));
    await this.loadEngine(name);
  }

  loadDetail(name: string): Promise<void> {
    return this.#ask(this.#details, name, () => this.#backend.hosts.detail(name));
  }
  loadSources(name: string): Promise<void> {
    return this.#ask(this.#sources, name, () => this.#backend.hosts.sources(name));
  }
  loadTargets(name: string, dir: string): Promise<void> {
    this.#dirs.current = { ...this.#dirs.current, [name]: dir };
    return this.#ask(this.#targets, name, () => this.#backend.hosts.targets(name, dir));
  }

  async #ask<T>(into: SvelteMap<string, Asked<T>>, name: string, act: () => Promise<T>): Promise<void> {
    const before = into.get(name);
    if (before?.busy) return;
    into.set(name, { busy: true, value: before?.value ?? null, error: null });
    try {
      into.set(name, { busy: false, value: await act(), error: null });
    } catch (thrown) {
      into.set(name, { busy: false, value: null, error: AppError.from(thrown) });
    }
  }
}
