/* vmo:// links, in the words of the wire. Whoever wrote one is not trusted. */

export interface Variable {
  name: string;
  value: string;
}

/** A target that a link wants to be run, with what the lists say of it. */
export interface Wish {
  project: string; // the alias of the folder, if it is in the list
  dir: string;
  known: boolean; // the folder is a project; without hosts only
  target: string;
  hosts: { name: string; known: boolean; environment: string }[]; // none: this machine
  vars: Variable[];
}

/** A link that came, and what it means here. */
export interface Followed {
  link: string; // "": there is none
  job: string; // of the record to show; "" in a wish
  mine: boolean; // in this journal, else in the team's database
  line: number; // from 1; 0 is none in particular
  wish: Wish | null;
}
