/* Everything that the window knows, wired once. Views get it from the context. */

import { getContext, setContext } from 'svelte';
import { SvelteMap } from 'svelte/reactivity';
import { title } from '../format';
import { forwardSpec } from '../format.hosts';
import type { Backend, Filter, Followed, Forward, Info, Job, Link, Size, Start, Target, TeamJob, Wish } from '../types';
import { Acts } from './acts.svelte';
import { Archive } from './archive.svelte';
import { Finding } from './finding.svelte';
import { History } from './history.svelte';
import { Hosts } from './hosts.svelte';
import { Jobs } from './jobs.svelte';
import { Links } from './links.svelte';
import { Panes, type Pane } from './panes.svelte';
import { Persisted } from './persisted.svelte';
import { Problems } from './problems.svelte';
import { Projects } from './projects.svelte';
import { Prompts } from './prompts.svelte';
import { Pump } from './pump';
import { Theme } from './theme.svelte';
import { Updates } from './updates.svelte';

export interface Question {
  title: string;
  text: string;
  detail?: string; // shown as it is, in monospace
  act: string; // what the button that agrees says
  answer: (yes: boolean) => void;
}

export type Dialog = 'palette' | 'help' | 'problems' | 'jobs' | 'database' | 'export' | 'diagnostics' | 'updates';

export type PastView = 'jobs' | 'output' | 'acts'; // of the history

export class App {
  readonly backend: Backend;
  readonly problems = new Problems();
  readonly theme = new Theme();
  readonly panes = new Panes();
  readonly jobs: Jobs;
  readonly projects: Projects;
  readonly hosts: Hosts;
  readonly prompts: Prompts;
  readonly archive: Archive;
  readonly updates: Updates;
  readonly links: Links;
  readonly pump: Pump;
  readonly history: History;
  readonly recent = new Persisted('history.open', true); // the list of recent jobs is shown
  readonly finding: Finding;
  readonly acts: Acts;
  #colleagues = new SvelteMap<string, TeamJob>();
  #past = $state(false);
  #saving = $state('');
  #view = $state<PastView>('jobs');
  #info = $state.raw<Info | null>(null);
  #question = $state.raw<Question | null>(null);
  #dialog = $state<Dialog | null>(null);
  #edit = $state(0);
  #grid: Size = { cols: 0, rows: 0 };

  constructor(backend: Backend) {
    this.backend = backend;
    this.jobs = new Jobs(backend, this.problems);
    this.projects = new Projects(backend, this.problems);
    this.hosts = new Hosts(backend, this.problems);
    this.prompts = new Prompts(backend, this.problems);
    this.archive = new Archive(backend, this.problems);
    this.updates = new Updates(backend, this.problems);
    this.links = new Links(backend, this.problems, (followed) => this.#follow(followed));
    this.finding = new Finding(backend);
    this.panes.onclose = (id) => {
      if (this.#colleagues.delete(id)) void this.problems.guard('let go of the job', () => backend.archive.leave(id));
    };
    this.history = new History(backend, this.jobs, this.problems);
    this.acts = new Acts(backend, this.history);
    this.pump = new Pump(
      (query) => backend.output(query),
      (error) => this.problems.report('read the output', error),
    );
  }

  /** Starts listening to Go. The returned function stops it. */
  open(): () => void {
    const offs = [
      this.jobs.open(),
      this.projects.open(),
      this.hosts.open(),
      this.prompts.open(),
      this.archive.open(),
      this.updates.open(),
      this.links.open(),
      this.backend.on('opened', () => {
        this.#past = false;
        this.hosts.select(null);
      }),
      this.backend.on('failed', (failure) => this.problems.report('open the folder', failure)),
      this.jobs.listen((hint) => this.pump.bell(hint.id, hint.seq, hint.state === 'running' || hint.state === 'pending')),
    ];
    void this.problems.guard('read the settings', async () => {
      this.#info = await this.backend.info();
    });
    return () => offs.forEach((off) => off());
  }

  get info(): Info | null {
    return this.#info;
  }
  get question(): Question | null {
    return this.#question;
  }
  get dialog(): Dialog | null {
    return this.#dialog;
  }
  set dialog(which: Dialog | null) {
    this.#dialog = which;
  }
  /** Asks how the record of a job is to be saved. */
  save(job: string): void {
    this.#saving = job;
    this.#dialog = 'export';
  }
  get saving(): Job | undefined {
    return this.jobs.get(this.#saving);
  }
  /** Counts the wishes to edit the parameters of the selected target. */
  get edit(): number {
    return this.#edit;
  }
  wantEdit(): void {
    this.#edit++;
  }

  /** The grid of the terminal that was fitted last: the next one starts with it and need not be resized. */
  get grid(): Size {
    return this.#grid.cols > 0 ? this.#grid : { cols: 120, rows: 30 };
  }
  set grid(size: Size) {
    this.#grid = size;
  }

  /** Asks the operator; the safe answer is no. */
  confirm(question: Omit<Question, 'answer'>): Promise<boolean> {
    return new Promise((resolve) => {
      this.#question?.answer(false);
      this.#question = {
        ...question,
        answer: (yes) => {
          this.#question = null;
          resolve(yes);
        },
      };
    });
  }

  /** Shows the page of a project. */
  goto(dir: string | null): void {
    this.#past = false;
    this.hosts.select(null);
    this.projects.select(dir);
  }

  /** Shows the page of a host. */
  visit(name: string): void {
    this.#past = false;
    this.hosts.select(name);
  }

  /** Whether the history stands where otherwise a page does. */
  get past(): boolean {
    return this.#past;
  }
  set past(shown: boolean) {
    this.#past = shown;
  }

  /** Whether the history shows what the jobs have printed. */
  get output(): boolean {
    return this.#view === 'output';
  }
  /** What the history shows. */
  get view(): PastView {
    return this.#view;
  }
  set view(shown: PastView) {
    this.#view = shown;
  }

  /** Searches the output of all jobs. */
  search(): void {
    this.#view = 'output';
    this.#past = true;
  }

  /** Shows the history of the jobs that a filter means. */
  look(filter: Filter): void {
    this.history.set(filter);
    this.#view = 'jobs';
    this.#past = true;
  }

  /** Shows everything that was done, by a filter of which hosts, operator and times count. */
  account(filter: Filter): void {
    this.history.set(filter);
    this.#view = 'acts';
    this.#past = true;
  }

  /** Opens the record of a job, which may be older than those that the window has loaded. */
  show(job: Job, options: { view?: Pane['view']; line?: number; focus?: boolean } = {}): void {
    this.panes.show(this.jobs.merge(job), options);
  }

  /** Opens the record of a job that only its id is known of. */
  async showJob(id: string, team: boolean): Promise<void> {
    if (team) return this.#bring(id, 'bring the job here', { focus: false });
    const found = await this.problems.guard('open the job', () => this.backend.jobs.get(id));
    if (found) this.show(found, { focus: false });
  }

  /** Opens a terminal on a host; "" is this machine. Several to one host are fine. */
  async terminal(host: string, dir = ''): Promise<void> {
    const job = await this.jobs.begin(`open a terminal on ${host || 'this machine'}`, () => this.backend.jobs.shell({ host, dir, ...this.grid }));
    if (job) this.panes.show(job, { fresh: true });
  }

  /** Runs a command line in the shell of hosts. */
  async exec(hosts: string[], line: string, mode: 'stream' | 'terminal', link: Link, dir = ''): Promise<void> {
    const begun = await this.problems.guard('run the command', () => this.backend.jobs.exec({ hosts, line, dir, mode, link, ...this.grid }));
    for (const job of begun ?? []) this.panes.show(this.jobs.took(job), { fresh: true });
  }

  /** Follows a log of a host. */
  async tail(host: string, source: string, since: string, lines: number, dir = ''): Promise<void> {
    const job = await this.jobs.begin(`follow ${source}`, () => this.backend.jobs.tail({ host, source, since, lines, dir }));
    if (job) this.panes.show(job, { fresh: true });
  }

  /** Opens a job of the team's database; that of a colleague is brought here, and followed while it runs. */
  async showTeam(job: Job | TeamJob, options: { view?: Pane['view']; line?: number; focus?: boolean } = {}): Promise<void> {
    if ('mine' in job && job.mine) return this.show(job, options);
    await this.#bring(job.id, `bring ${title(job)} here`, options);
  }

  async #bring(id: string, doing: string, options: { view?: Pane['view']; line?: number; focus?: boolean }): Promise<void> {
    const brought = await this.problems.guard(doing, async () => {
      const there = await this.backend.archive.open(id);
      return there.mine ? this.backend.jobs.get(id) : there;
    });
    if (!brought) return;
    if ('mine' in brought) {
      this.#colleagues.set(id, brought);
      this.jobs.foreign.add(id);
    }
    this.show(brought, options);
  }

  /** Shows the record that a link names. The keyboard stays where it is: keys that are being typed are not for it. */
  async #follow({ job, mine, line }: Followed): Promise<void> {
    const options = { focus: false, ...(line > 0 ? { line: line - 1 } : {}) };
    if (!mine) return this.#bring(job, 'open the link', options);
    const found = await this.problems.guard('open the link', () => this.backend.jobs.get(job));
    if (found) this.show(found, options);
  }

  /** Runs what the form of a link says, by the button of that form. Go looks everything up once more. */
  async runWish(wish: Wish, vars: Record<string, string>): Promise<void> {
    await this.#start({ hosts: wish.hosts.map((host) => host.name), dir: wish.dir, target: wish.target, vars, mode: '', ...this.grid });
  }

  async #start(request: Start): Promise<void> {
    for (const job of await this.jobs.start(request)) this.panes.show(job, { fresh: true });
  }

  /** Whose job it is, if it is a colleague's: it can be looked at and nothing else. */
  colleague(id: string): TeamJob | undefined {
    return this.#colleagues.get(id);
  }

  /** Carries ports through a host; without forwards those of its configuration. */
  async tunnel(host: string, forwards: Forward[] = []): Promise<boolean> {
    const request = { host, forwards: forwards.map((forward) => ({ kind: forward.kind, spec: forwardSpec(forward) })) };
    const job = await this.jobs.begin(`open a tunnel through ${host}`, () => this.backend.jobs.tunnel(request));
    if (job) this.panes.show(job, { fresh: true });
    return job !== undefined;
  }

  /** Runs a target of a folder on a host. */
  async runThere(host: string, dir: string, target: Target, mode: '' | 'stream' | 'terminal' = ''): Promise<void> {
    await this.#start({ hosts: [host], dir, target: target.name, vars: this.projects.vars(`${host}:${dir}`, target), mode, ...this.grid });
  }

  async run(dir: string, target: Target, mode: '' | 'stream' | 'terminal' = ''): Promise<void> {
    await this.#start({ hosts: [], dir, target: target.name, vars: this.projects.vars(dir, target), mode, ...this.grid });
  }

  /** Adds the sample project, shows it and runs its first target. */
  async sample(): Promise<void> {
    const dir = await this.problems.guard('add the sample project', () => this.backend.projects.sample());
    if (!dir) return;
    await this.projects.refresh();
    this.goto(dir);
    await this.projects.load(dir);
    const hello = this.projects.targets(dir)?.targets.find((target) => target.name === 'hello');
    if (hello) await this.run(dir, hello);
  }

  async again(job: Job): Promise<void> {
    const next = await this.jobs.again(job, this.grid);
    if (next) this.panes.show(next, { fresh: true });
  }

  async copy(text: string): Promise<boolean> {
    return (await this.problems.guard('copy', () => this.backend.clipboard.write(text).then(() => true))) ?? false;
  }
}

const KEY = Symbol('app');
export const provideApp = (app: App): App => setContext(KEY, app);
export const useApp = (): App => getContext<App>(KEY);
