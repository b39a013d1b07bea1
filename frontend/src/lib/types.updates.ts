/* Newer releases, in the words of the wire. */

export interface NewFile {
  name: string;
  url: string;
  size: number;
  sha256: string;
}

/** A release that is newer than this program. */
export interface Release {
  unsure: boolean; // this program has no version that could be compared
  version: string;
  date: string;
  notes: string; // text, whatever is in it
  schema: string; // what it means for the team's database
  migrate: boolean;
  journal: string;
  how: string; // how it is installed here; may be empty
  from: string;
  files: NewFile[];
}

export interface UpdateInfo {
  state: 'off' | 'forbidden' | 'unknown' | 'on';
  url: string; // '' if none is known
  managed: boolean; // the policy of the machine says which
  policy: string;
  current: string;
  checked: string | null; // when it was asked last
  error: string;
  hint: string;
  release: Release | null;
}
