package main

import "github.com/spf13/cobra"

// topics are pages of help that belong to no command.
func topics() []*cobra.Command {
	return []*cobra.Command{
		{Use: "exit-codes", Short: "With which code vmo ends, and when", Long: aboutExitCodes},
		{Use: "json", Short: "The fields of jobs and of pieces of output in JSON", Long: aboutJSON},
	}
}

const aboutExitCodes = `Exit codes of vmo:

  0         it went well
  1         vmo search: nothing was found
            vmo verify: something was tampered with
            vmo db status: something is wrong
            vmo ship: jobs are left
            vmo cancel, of a lost job: processes are left on its host
  2         the arguments cannot be right, or name a job, a target or a project that
            is not there
            vmo search: something could not be searched
            vmo verify: it cannot be told
  124       the timeout ended it
  125       vmo itself failed, or nobody knows how the job ended
            vmo show, follow, replay, export: part of the record is damaged
            vmo doctor: something is missing that is needed
  126, 127  the command cannot be executed, or was not found
  128 + n   signal n ended it: 137 for SIGKILL; also when it was cancelled from
            elsewhere
  130       Ctrl-C ended it, or ended vmo while it showed a record
  141       whoever read the output of vmo has gone, as in vmo show @1 | head
  255       there was no connection to the host, as of ssh

vmo run and vmo exec end with the code of the command; make ends with 2 when a recipe
fails. 126, 127 and 255 can be the command's own, too: the job in JSON tells, its cause
is not-started or no-connection otherwise.`

const aboutJSON = `With --json an answer is one JSON object a line. What vmo has to say besides goes to
the standard error as ever. The help of each command names its fields; those that
several commands have are here. Times are RFC 3339 in UTC.

A job, as vmo jobs, run, exec, cancel and import print it:

  id, run         UUIDv7 of the job, and of the launch it belongs to; ids sort by time
  host            its name; empty: this machine
  project         alias; empty: none
  target          of make; empty: none
  argv            what ran, a list
  dir             where
  env_names       names of variables that it was given besides, never their values;
                  left out without any
  tty, size       whether in a terminal, and its size at the start: {"cols":80,"rows":24}
  timeout_ms      left out without one
  source          of a log, such as docker:web, or a tunnel, such as tunnel:-D 1080;
                  left out otherwise
  link            keep or stop, if --if-lost said so; left out otherwise
  event           true of something that was done and not run, such as a host key that
                  was accepted; left out otherwise
  origin          the installation that recorded it, if it was imported; left out otherwise
  operator        who: user@machine
  state           pending, running, succeeded, failed, cancelled, timed-out or lost
  cause           why it ended: exit, signal, not-started, cancel, interrupt, timeout,
                  shutdown, owner-gone, journal, no-connection, link-lost; empty before
  detail          the same in words
  exit_code       a number, or null
  signal          such as SIGKILL, or empty
  survivors       what could not be ended or kept the output open, each with pid,
                  command and why; left out if nothing
  queued_at, started_at, finished_at
                  the last two are null until then
  bytes, chunks, lines
                  of output: how much, the last sequence number, how many newlines
  stalled         why its output waits, such as a full disk; left out usually
  unrecorded      bytes that were not recorded on an operator's word; left out if none
  pinned, labels, notes
                  what was said of it: whether it is pinned, a list, how many notes;
                  left out if nothing

A piece of output, as vmo show, follow, replay and export print it:

  seq             from 1, without gaps
  stream          stdout, stderr, tty, or event for something that is no output
  at              when it was read
  data            base64; it may end inside a character
  text            only of vmo export: instead of data, where that is UTF-8
  event           of an event: its kind is resize, gap, damage, removed, signal, link (a connection
                  was lost or is there again) or boundary (what a log comes from was
                  replaced); with size, bytes, until and text as the kind needs`
