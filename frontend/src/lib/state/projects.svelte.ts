/* Projects and their targets. Lists are replaced as a whole; a change on disk is a hint to ask again. */

import { SvelteMap } from 'svelte/reactivity';
import type { Backend, Mode, Project, ProjectList, Target, TargetList } from '../types';
import type { Problems } from './problems.svelte';

const EMPTY: ProjectList = { projects: [], problems: [], registry: '', registry_exists: false };

export class Projects {
  #backend: Backend;
  #problems: Problems;
  #list = $state.raw<ProjectList>(EMPTY);
  #loaded = $state(false);
  #selected = $state<string | null>(null); // directory
  #targets = new SvelteMap<string, TargetList>();
  #failed = new SvelteMap<string, string>();
  #asking = new Map<string, Promise<void>>();
  #forms = new SvelteMap<string, Record<string, string>>();

  readonly current: Project | null = $derived.by(() => this.#list.projects.find((project) => project.dir === this.#selected) ?? null);

  constructor(backend: Backend, problems: Problems) {
    this.#backend = backend;
    this.#problems = problems;
  }

  get list(): ProjectList {
    return this.#list;
  }
  get loaded(): boolean {
    return this.#loaded;
  }
  get selected(): string | null {
    return this.#selected;
  }

  targets(dir: string): TargetList | undefined {
    return this.#targets.get(dir);
  }

  /** Why the targets of a directory could not be read; "" if they could. */
  failed(dir: string): string {
    return this.#failed.get(dir) ?? '';
  }

  name(dir: string): string {
    return this.#list.projects.find((project) => project.dir === dir)?.alias ?? '';
  }

  open(): () => void {
    const offs = [
      this.#backend.on('projects', () => void this.refresh()),
      this.#backend.on('opened', ({ dir }) => void this.refresh().then(() => this.select(dir))),
    ];
    // A folder given as argument may have been announced before this page could listen.
    void this.refresh().then(async () => {
      const info = await this.#problems.guard('ask how the program stands', () => this.#backend.info());
      if (info?.opened) this.select(info.opened);
    });
    return () => offs.forEach((off) => off());
  }

  async refresh(): Promise<void> {
    this.#take(await this.#problems.guard('list projects', () => this.#backend.projects.list()));
    const dirs = new Set(this.#list.projects.map((project) => project.dir));
    for (const dir of this.#targets.keys()) if (!dirs.has(dir)) this.#targets.delete(dir);
    if (this.#selected !== null) void this.load(this.#selected, true);
    for (const dir of this.#targets.keys()) if (dir !== this.#selected) this.#targets.delete(dir);
  }

  #take(list: ProjectList | undefined): void {
    if (!list) return;
    this.#list = list;
    this.#loaded = true;
    if (this.current === null) this.select(list.projects.find((project) => !project.missing)?.dir ?? null);
  }

  select(dir: string | null): void {
    this.#selected = dir;
    if (dir !== null) void this.load(dir);
  }

  /** Reads the targets of a directory, once unless told to again. */
  load(dir: string, again = false): Promise<void> {
    if (this.#targets.has(dir) && !again) return Promise.resolve();
    const asking = this.#asking.get(dir) ?? this.#read(dir).finally(() => this.#asking.delete(dir));
    this.#asking.set(dir, asking);
    return asking;
  }

  async #read(dir: string): Promise<void> {
    const project = this.#list.projects.find((p) => p.dir === dir);
    if (project?.missing) return;
    try {
      this.#targets.set(dir, await this.#backend.projects.targets(dir));
      this.#failed.delete(dir);
    } catch (thrown) {
      this.#failed.set(dir, thrown instanceof Error ? thrown.message : String(thrown));
      this.#problems.report('read the targets', thrown);
    }
  }

  /** For the palette: the targets of every project that is there. */
  async loadAll(): Promise<void> {
    for (const project of this.#list.projects) if (!project.missing) await this.load(project.dir);
  }

  /** Lets the operator choose a folder and adds it. */
  async choose(): Promise<void> {
    const dir = await this.#problems.guard('choose a folder', () => this.#backend.projects.choose());
    if (dir) await this.add(dir);
  }

  async add(dir: string): Promise<void> {
    const list = await this.#problems.guard('add the folder', () => this.#backend.projects.add(dir));
    if (!list) return;
    this.#take(list);
    this.select(list.projects.find((project) => project.dir === dir)?.dir ?? this.#selected);
  }

  async remove(dir: string): Promise<void> {
    const list = await this.#problems.guard('remove the folder', () => this.#backend.projects.remove(dir));
    this.#targets.delete(dir);
    this.#take(list);
  }

  async trust(dir: string, yes: boolean): Promise<void> {
    const list = await this.#problems.guard('ask GNU make', () => this.#backend.projects.trust(dir, yes));
    if (list) this.#targets.set(dir, list);
  }

  async setMode(dir: string, target: string, mode: Mode): Promise<void> {
    const list = await this.#problems.guard('remember the mode', () => this.#backend.projects.setMode(dir, target, mode));
    if (list) this.#targets.set(dir, list);
  }

  /** What stands in a target's form, while the window is open. */
  form(dir: string, target: string): Record<string, string> {
    return this.#forms.get(`${dir}\n${target}`) ?? {};
  }

  setForm(dir: string, target: string, values: Record<string, string>): void {
    this.#forms.set(`${dir}\n${target}`, values);
  }

  /** The variables to pass: those that differ from what the Makefile says by itself. */
  vars(dir: string, target: Target): Record<string, string> {
    const form = this.form(dir, target.name);
    return Object.fromEntries(target.params.filter((p) => p.name in form && form[p.name] !== p.default).map((p) => [p.name, form[p.name] ?? '']));
  }
}
