/* The hosts of the fake backend: one of every state, and the questions that connecting asks. */

import { AppError, type Answer, type ChangedKey, type ChosenEngine, type Found, type Host, type HostDetail, type HostList, type HostState, type Prompt, type Sources, type Step, type Waypoint } from './types';

const SSH = '/home/ada/.ssh/config';
const YML = '/home/ada/src/infra/environments/production/config.yml';
const NEVER = '0001-01-01T00:00:00Z';
const OLD_PRINT = 'SHA256:Qm0vXcYk1b3n9fT6V0wqQwK1F9mJdGQ0mZ1WqgA2nN4';
const PRINT = 'SHA256:uNiVztksCsDhcc0u9e8BrwQrGr6pKoC8TkVWx6nTqhM';

const step = (hop: string, what: string, detail: string, ok = true): Step => ({ hop, what, detail, ok });
const ago = (s: number): string => new Date(Date.now() - s * 1000).toISOString();

const BANNER = 'Example Ltd. Authorised users only.\n\tWhat you do here is recorded. \u202eQuestions: ops@example.org\n';
const way = (...points: [name: string, addr: string, came: Waypoint['came']][]): Waypoint[] => points.map(([name, addr, came]) => ({ name, addr, came, banner: name === 'bastion' && came ? BANNER : '' }));

const nothing: HostState = {
  destination: { alias: '' }, status: 'unknown', since: NEVER, latency_ms: 0, attempt: 0, next: NEVER, error: '', hint: '', key_changed: false, steps: [], way: [],
  engine: '', connections: 0, sessions: 0, max_sessions: 0, server: '', host_key: '', kex: '', cipher: '', mac: '',
};

const up = (name: string, address: string, latency: number): Partial<HostState> => ({
  status: 'connected', key_changed: false, since: new Date().toISOString(), latency_ms: latency, engine: 'built-in', connections: 1, sessions: 1, max_sessions: 10, error: '', hint: '', attempt: 0, next: NEVER,
  server: 'SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3', host_key: `ssh-ed25519 ${PRINT}`, kex: 'curve25519-sha256', cipher: 'aes128-gcm@openssh.com', mac: 'implicit',
  way: name === 'bastion' ? way([name, `ada@${address}:22`, 'through']) : way(['bastion', 'ada@bastion.example.org:22', 'through'], [name, `deploy@${address}:22`, 'through']),
  steps: [step('bastion', 'tcp', 'bastion.example.org:22'), step(name, 'handshake', 'SSH-2.0-OpenSSH_9.2p1'), step(name, 'host key', `ssh-ed25519 ${PRINT} in ~/.ssh/known_hosts:12`), step(name, 'publickey', '~/.ssh/id_ed25519 accepted')],
});

function host(name: string, environment: string, line: number, over: Partial<Host> = {}, state: Partial<HostState> = {}): Host {
  const address = over.address ?? `${name}.example.org`;
  return {
    name, local: false, environment, address, user: 'deploy', port: 0, tags: [], conflicts: [],
    origins: [{ field: 'name', value: name, file: SSH, line }, { field: 'address', value: address, file: SSH, line: line + 1 }],
    destination: { alias: name }, state: { ...nothing, destination: { alias: name }, ...state }, ...over,
  };
}

function hosts(): Host[] {
  return [
    { ...host('zeta', '', 0, { local: true, address: '', user: '', origins: [] }), destination: { alias: '' } },
    host('web1', 'production', 14, { address: '10.20.0.11', tags: ['web', 'edge'], origins: [{ field: 'name', value: 'web1', file: YML, line: 8 }, { field: 'address', value: '10.20.0.11', file: SSH, line: 15 }] }, { ...up('web1', '10.20.0.11', 12), since: ago(190) }),
    host('web2', 'production', 18, { address: '10.20.0.12', tags: ['web', 'edge'] }),
    host('db1', 'production', 22, { address: '10.20.0.21', user: 'postgres', port: 2222, conflicts: ['the address is 10.20.0.21 in ~/.ssh/config:23 and 10.20.0.99 in config.yml:14'] }, {
      status: 'disconnected', since: ago(41), attempt: 3, next: new Date(Date.now() + 9000).toISOString(), error: 'no answer to three keepalives in 45 s', hint: 'Nothing to do: it is tried again.',
    }),
    host('queue-eu-west-1.internal', 'production', 26, { address: '10.20.0.31' }, {
      status: 'auth-failed', since: ago(700), error: 'the server took none of what was offered (publickey)', hint: 'Add the key to the agent with ssh-add ~/.ssh/id_ed25519, or ask for it to be put into authorized_keys of deploy there.',
      way: way(['bastion', 'ada@bastion.example.org:22', 'through'], ['queue-eu-west-1.internal', 'deploy@10.20.0.31:22', 'stopped']),
      steps: [step('bastion', 'tcp', 'bastion.example.org:22'), step('bastion', 'publickey', '~/.ssh/id_ed25519 accepted'), step('queue-eu-west-1.internal', 'handshake', 'SSH-2.0-OpenSSH_9.6'), step('queue-eu-west-1.internal', 'host key', 'ssh-ed25519 known in ~/.ssh/known_hosts:31'), step('queue-eu-west-1.internal', 'agent', '2 keys offered, none taken', false), step('queue-eu-west-1.internal', 'publickey', '~/.ssh/id_rsa: the server does not take ssh-rsa', false)],
    }),
    host('stage1', 'staging', 40, { address: 'stage1.example.org' }, {
      status: 'unreachable', since: ago(3900), error: 'connect to 198.51.100.7:22: i/o timeout after 15 s', hint: 'Is the VPN up? The name was resolved, nobody answered.',
      way: way(['gate.staging', 'ada@198.51.100.7:22', 'stopped'], ['stage1', 'deploy@stage1:22', '']),
      steps: [step('stage1', 'resolve', 'stage1.example.org is 198.51.100.7'), step('stage1', 'tcp', '198.51.100.7:22: i/o timeout', false)],
    }),
    host('stage2', 'staging', 44, {}, {
      status: 'host-key', since: ago(86_400), error: 'the host key has changed', hint: 'Somebody may be listening in. If the host was installed anew, compare the fingerprint there, then replace the old key: on its page in the window, or with `vmo hosts forget stage2`.', key_changed: true,
      steps: [step('stage2', 'tcp', '198.51.100.8:22'), step('stage2', 'host key', `ssh-ed25519 ${PRINT} is not the one in ~/.ssh/known_hosts:9`, false)],
    }),
    host('bastion', '', 3, { address: 'bastion.example.org', user: 'ada' }, up('bastion', 'bastion.example.org', 8)),
    host('pi', '', 52, { address: 'pi.local', user: '' }),
  ];
}

const FOUND: Found[] = [
  { source: 'docker:web', kind: 'docker', name: 'web', detail: 'shop/web:1.41', state: 'running, 3 days' },
  { source: 'docker:worker', kind: 'docker', name: 'worker', detail: 'shop/worker:1.41', state: 'restarting' },
  { source: 'docker:redis', kind: 'docker', name: 'redis', detail: 'redis:7', state: 'running, 12 days' },
  { source: 'journal:nginx.service', kind: 'journal', name: 'nginx.service', detail: 'A high performance web server', state: 'active' },
  { source: 'journal:ssh.service', kind: 'journal', name: 'ssh.service', detail: 'OpenBSD Secure Shell server', state: 'active' },
  { source: 'file:/var/log/nginx/access.log', kind: 'file', name: '/var/log/nginx/access.log', detail: '41 MB', state: '' },
  { source: 'file:/var/log/nginx/error.log', kind: 'file', name: '/var/log/nginx/error.log', detail: '12 kB', state: '' },
];

export class FakeHosts {
  #list: HostList;
  #changed: () => void;
  #asked: (event: 'prompt') => void;
  #prompts: Prompt[] = [];
  #answers = new Map<string, (answer: Answer) => void>();
  #engines = new Map<string, ChosenEngine>();
  #serial = 0;
  readonly answers: { id: string; answer: Answer }[] = [];

  constructor(options: { empty: boolean; changed: () => void; asked: (event: 'prompt') => void }) {
    this.#changed = options.changed;
    this.#asked = options.asked;
    this.#list = {
      hosts: options.empty ? hosts().slice(0, 1) : hosts(),
      problems: options.empty ? [] : [{ file: SSH, line: 61, host: '', text: 'Bad configuration option: prot' }],
      ssh_config: SSH, looked: [SSH, '/home/ada/src/infra/environments/*/config.yml'],
    };
  }

  list = async (): Promise<HostList> => structuredClone(this.#list);

  find(name: string): Host {
    const found = this.#list.hosts.find((h) => h.name === name);
    if (!found) throw new AppError('not-found', `there is no host ${name}`, 'List the hosts again: a file may have changed.');
    return found;
  }

  detail = async (name: string): Promise<HostDetail> => {
    const found = this.find(name);
    const option = (key: string, values: string[], line: number) => ({ key, values, file: line > 0 ? SSH : '', line });
    return structuredClone({
      ...found, by: 'ssh', why: '', resolved: `${found.user || 'ada'}@${found.address}:${found.port || 22}`, forwards: name === 'db1' ? [{ kind: 'local', listen: '5432', to: 'localhost:5432' }, { kind: 'dynamic', listen: '*:1080', to: '' }] : [], jumps: found.state.status === 'connected' || name === 'web2' ? ['bastion'] : [], differs: ['Compression: this program never compresses'],
      options: [
        option('hostname', [found.address], found.origins[1]?.line ?? 0), option('user', [found.user || 'ada'], 5), option('port', [String(found.port || 22)], 0), option('proxyjump', ['bastion'], 16),
        option('identityfile', ['/home/ada/.ssh/id_ed25519', '/home/ada/.ssh/id_rsa'], 7), option('serveraliveinterval', ['15'], 0), option('compression', ['yes'], 2), option('userknownhostsfile', ['/home/ada/.ssh/known_hosts'], 0),
      ],
    });
  };

  /** Connecting to web2 asks for two unknown host keys, to pi for a password, to stage2 for nothing: it fails. */
  connect = async (name: string): Promise<void> => {
    const found = this.find(name);
    const before = structuredClone(found.state);
    this.set(name, { status: 'connecting', since: new Date().toISOString(), error: '', hint: '', steps: [] });
    await new Promise((done) => setTimeout(done, 120));
    const fail = (status: HostState['status'], state: Partial<HostState>): never => {
      this.set(name, { ...state, status, since: new Date().toISOString() });
      throw new AppError('internal', state.error ?? '', state.hint ?? '');
    };
    if (['queue-eu-west-1.internal', 'stage1'].includes(name) || (name === 'stage2' && !this.#replaced)) fail(before.status, before);
    if (name === 'web2') {
      const keys = await Promise.all([this.#hostKey('bastion', name, 1, 2), this.#hostKey(name, name, 2, 2)]);
      if (!keys.every((a) => a.accept)) fail('host-key', { error: 'the host key was not accepted', hint: 'Connect again and compare it.', steps: [step('bastion', 'tcp', 'bastion.example.org:22'), step(keys[0]?.accept ? name : 'bastion', 'host key', `ssh-ed25519 ${PRINT} was refused`, false)] });
    }
    if (name === 'pi') {
      let answer = await this.#password(name, 1);
      if (answer.accept && answer.values[0] !== 'raspberry') answer = await this.#password(name, 2);
      if (answer.accept) answer = await this.#challenge(name);
      if (!answer.accept) fail('auth-failed', { error: 'the password was not given', hint: 'Connect again.', steps: [step(name, 'tcp', 'pi.local:22'), step(name, 'password', 'nobody answered', false)] });
    }
    this.set(name, up(name, found.address, 21));
  };

  #replaced = false; // the key of stage2

  changedKey = async (name: string): Promise<ChangedKey> => {
    const old = [{ type: 'ssh-ed25519', fingerprint: OLD_PRINT, file: '/home/ada/.ssh/known_hosts', line: 9 }];
    if (!this.find(name).state.key_changed) throw new AppError('not-found', `the host key of ${name}: not found that was refused because it has changed`, 'Connect again and see what is wrong now.');
    return { hop: name, name: `${name}.example.org`, type: 'ssh-ed25519', fingerprint: PRINT, old, kept: true, blocked: '' };
  };

  replaceKey = async (name: string, fingerprint: string, typed: string): Promise<void> => {
    const changed = await this.changedKey(name);
    if (typed !== changed.hop) throw new AppError('invalid', `replace the host key: "${typed}" is not the name of the machine, ${changed.hop}`);
    if (fingerprint !== changed.fingerprint) throw new AppError('invalid', 'meanwhile it has shown another one', 'Somebody may be listening in.');
    this.#replaced = true;
  };

  disconnect = async (name: string): Promise<void> => this.set(name, { ...nothing, destination: this.find(name).destination });

  engine = async (name: string): Promise<ChosenEngine> => this.#engines.get(name) ?? 'auto';

  setEngine = async (name: string, chosen: ChosenEngine): Promise<void> => void this.#engines.set(name, chosen);

  sources = async (name: string): Promise<Sources> => {
    const found = this.find(name);
    if (!found.local && found.state.status !== 'connected') await this.connect(name);
    await new Promise((done) => setTimeout(done, 150));
    return { found: FOUND, problems: found.local ? [] : ['journal: not every unit can be read as deploy; add it to the group systemd-journal'] };
  };

  set(name: string, state: Partial<HostState>): void {
    const found = this.find(name);
    found.state = { ...found.state, ...state };
    this.#changed();
  }

  pending = async (): Promise<Prompt[]> => structuredClone(this.#prompts);

  answer = async (id: string, answer: Answer): Promise<void> => {
    this.answers.push({ id, answer });
    this.#prompts = this.#prompts.filter((prompt) => prompt.id !== id);
    this.#answers.get(id)?.(answer);
    this.#answers.delete(id);
  };

  #ask(prompt: Omit<Prompt, 'id'>): Promise<Answer> {
    const id = `prompt-${++this.#serial}`;
    this.#prompts.push({ id, ...prompt });
    this.#asked('prompt');
    return new Promise((resolve) => this.#answers.set(id, resolve));
  }

  #hostKey(name: string, to: string, number: number, of: number): Promise<Answer> {
    const hop = { host: to, name, user: 'deploy', addr: `${this.find(name).address}:22`, number, of };
    const fingerprint = number === 1 ? 'SHA256:9hFvY0oGqVnpT6V0wqQwK1F9mJdGQ0mZ1WqgA2nNq3c' : PRINT;
    const others = number === 1 ? [] : ['web1 (~/.ssh/known_hosts:12)'];
    return this.#ask({ kind: 'host-key', hop, host_key: { hop, type: 'ssh-ed25519', fingerprint, file: '/home/ada/.ssh/known_hosts', others }, secret: null, challenge: null });
  }

  #password(name: string, attempt: number): Promise<Answer> {
    const hop = { host: name, name, user: 'ada', addr: 'pi.local:22', number: 1, of: 1 };
    return this.#ask({ kind: 'secret', hop, host_key: null, secret: { hop, kind: 'password', of: `ada@${name}`, try: attempt }, challenge: null });
  }

  #challenge(name: string): Promise<Answer> {
    const hop = { host: name, name, user: 'ada', addr: 'pi.local:22', number: 1, of: 1 };
    const fields = [{ prompt: 'Verification code: ', echo: true }];
    return this.#ask({ kind: 'challenge', hop, host_key: null, secret: null, challenge: { hop, name: 'Two-factor authentication', instruction: 'Open your authenticator app.', fields, try: 1 } });
  }
}
