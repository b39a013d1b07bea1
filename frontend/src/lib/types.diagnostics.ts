/* What the program needs, and the report for bug reports, in the words of the wire. */

/** One thing that was looked at. */
export interface DoctorCheck {
  name: string;
  ok: boolean;
  optional: boolean; // what is missing costs only part of the program
  found: string;
  origin: string; // where that comes from, or is; may be empty
  next: string; // what to do if it is not ok
}

/** What may be told to strangers. */
export interface Report {
  parts: { name: string; what: string; text: string }[];
}

export interface SavedReport {
  path: string; // '' when the dialog was dismissed
  parts: string[];
}
