/* The keyboard, in one table: what acts is what `?` shows. Single keys work outside inputs and terminals
   only; inside a terminal all keys but those with Ctrl+Shift (Cmd) belong to the program. */

export type Scope = 'window' | 'target' | 'host' | 'history' | 'job' | 'log' | 'replay' | 'terminal';

export interface Binding {
  keys: string; // as shown; alternatives apart by a blank
  scope: Scope;
  name: string; // of the act
  help: string;
}

export const BINDINGS: Binding[] = [
  { keys: 'Mod+K', scope: 'window', name: 'palette', help: 'Find a host, target, project, job or action' },
  { keys: ':', scope: 'window', name: 'palette', help: '' },
  { keys: 'Mod+J', scope: 'window', name: 'dock', help: 'Show or hide the panes' },
  { keys: 'Mod+H', scope: 'window', name: 'history', help: 'Show or hide recent jobs' },
  { keys: 'Mod+Shift+H', scope: 'window', name: 'past', help: 'Show or hide the history' },
  { keys: 'Mod+Shift+F', scope: 'window', name: 'search', help: 'Search the output of all jobs' },
  { keys: 'Mod+1…9', scope: 'window', name: 'pane', help: 'Go to a pane' },
  { keys: 'm F11', scope: 'window', name: 'magnify', help: 'Magnify the pane' },
  { keys: '/', scope: 'window', name: 'filter', help: 'Filter the targets or hosts' },
  { keys: '?', scope: 'window', name: 'help', help: 'Show the keys' },
  { keys: 'Escape', scope: 'window', name: 'back', help: 'Back' },
  { keys: 'Enter r', scope: 'target', name: 'run', help: 'Run the selected target' },
  { keys: 'Mod+Enter', scope: 'target', name: 'terminal', help: 'Run it in a terminal' },
  { keys: 'e', scope: 'target', name: 'edit', help: 'Edit its parameters' },
  { keys: 'T', scope: 'host', name: 'shell', help: 'Open a terminal on the host' },
  { keys: '!', scope: 'host', name: 'command', help: 'Type a command to run there' },
  { keys: '↑ ↓ PgUp PgDn', scope: 'history', name: 'move', help: 'Go through the jobs or hits' },
  { keys: 'Enter', scope: 'history', name: 'open', help: 'Open the record, at the line of a hit' },
  { keys: 'p', scope: 'history', name: 'replay', help: 'Replay it' },
  { keys: 'R', scope: 'job', name: 'again', help: 'Run the job of the pane again' },
  { keys: 'x', scope: 'job', name: 'cancel', help: 'Cancel it; again to kill' },
  { keys: 'Mod+F', scope: 'log', name: 'find', help: 'Find in it; Enter and Shift+Enter go from hit to hit' },
  { keys: 's Space', scope: 'log', name: 'follow', help: 'Pause or follow' },
  { keys: 'G End', scope: 'log', name: 'bottom', help: 'To the end, and follow' },
  { keys: 'g Home', scope: 'log', name: 'top', help: 'To the beginning' },
  { keys: '↑ ↓ PgUp PgDn', scope: 'log', name: 'move', help: 'Scroll' },
  { keys: 't', scope: 'log', name: 'times', help: 'Times' },
  { keys: 'l', scope: 'log', name: 'numbers', help: 'Line numbers' },
  { keys: 'c', scope: 'log', name: 'copy', help: 'Copy the selection, or everything' },
  { keys: 'Space', scope: 'replay', name: 'play', help: 'Play or pause' },
  { keys: '← →', scope: 'replay', name: 'skip', help: '5 seconds back or on' },
  { keys: ', .', scope: 'replay', name: 'step', help: 'Previous or next output' },
  { keys: '< >', scope: 'replay', name: 'speed', help: 'Slower or faster' },
  { keys: 'Home End', scope: 'replay', name: 'ends', help: 'To the beginning or the end' },
  { keys: 'Ctrl+Shift+C', scope: 'terminal', name: 'copy', help: 'Copy the selection' },
  { keys: 'Ctrl+Shift+V', scope: 'terminal', name: 'paste', help: 'Paste' },
  { keys: 'Ctrl+Shift+K', scope: 'terminal', name: 'palette', help: 'Leave the terminal: the palette' },
  { keys: 'Ctrl+Shift+J', scope: 'terminal', name: 'dock', help: 'Leave the terminal: hide the panes' },
];

export const SCOPES: Record<Scope, string> = {
  window: 'Everywhere',
  target: 'Targets',
  host: 'Page of a host',
  history: 'History',
  job: 'Job in the active pane',
  log: 'Output',
  replay: 'Replay',
  terminal: 'Terminal',
};

const isMac = (): boolean => /mac/i.test(navigator.platform);

/** A key as this system writes it. */
export const shown = (keys: string): string => keys.replaceAll('Mod', isMac() ? '⌘' : 'Ctrl');

export const mod = (event: KeyboardEvent): boolean => (isMac() ? event.metaKey && !event.ctrlKey : event.ctrlKey && !event.metaKey);

export const inTerminal = (target: EventTarget | null): boolean => target instanceof Element && target.closest('.xterm') !== null;

/** Whether single keys are text here. */
export const inInput = (target: EventTarget | null): boolean =>
  target instanceof Element && (target.closest('input, textarea, select, [contenteditable]') !== null || inTerminal(target));
