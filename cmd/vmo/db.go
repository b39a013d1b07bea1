package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

func (c *cli) dbCommand() *cobra.Command {
	db := &cobra.Command{
		Use: "db", Short: "The team's database: set it up, look at it",
		Long: `The archive is a Postgres database into which every record is copied, for the
team: exactly once, compressed, and provable. Without one everything works, and
records stay on this machine.

Which database it is: VMO_DATABASE_URL, else what "vmo db use" stored, else what
libpq's own PGHOST, PGSERVICE and so on say. Passwords are in the keychain
(vmo db password), in PGPASSWORD or in ~/.pgpass, never in the settings.`,
	}
	db.AddCommand(c.dbStatusCommand(), c.dbUseCommand(), c.dbPasswordCommand(), c.dbHistoryCommand(), c.dbInitCommand(), c.dbMigrateCommand(), c.dbRetentionCommand())
	return db
}

func (c *cli) dbStatusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Connect, and tell how the archive stands", Args: cobra.NoArgs,
		Long: `Connect to the database and tell what is there and what is not copied yet. The
exit code is 0 if everything is well, 1 otherwise.

` + inJSON(map[string]any{"archive": nil, "database": nil, "error": nil, "hint": nil}),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), func(e *engine.Engine) error {
				check, err := e.CheckDatabase(cmd.Context(), "")
				status := e.Archive()
				if c.json {
					if err := printJSON(map[string]any{"archive": status, "database": check, "error": textOf(err), "hint": job.HintOf(err)}); err != nil {
						return err
					}
				} else if e := showArchive(os.Stdout, status, check); e != nil {
					return e
				}
				if err != nil {
					if !c.json {
						complain(err)
					}
					return exitCode(1)
				}
				return nil
			})
		},
	}
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func (c *cli) dbUseCommand() *cobra.Command {
	var none bool
	cmd := &cobra.Command{
		Use: "use [URL]", Short: "Make a database the archive, or with --none, none", Args: cobra.MaximumNArgs(1),
		Long: `Make a database the archive, or with --none, none. A URL with a password is refused:
the settings are a file that gets copied. What else can stand in it, and what TLS has to
be, is in docs/database.md.`,
		Example: "  vmo db use 'postgres://anna@db.example/vmo?sslmode=verify-full'\n  vmo db use postgres:///vmo?host=/run/postgresql",
		RunE: func(cmd *cobra.Command, args []string) error {
			if none == (len(args) == 1) {
				return fmt.Errorf("%w: give a URL, or --none", job.ErrInvalid)
			}
			return c.with(cmd.Context(), func(e *engine.Engine) error {
				return e.UseDatabase(strings.Join(args, ""))
			})
		},
	}
	cmd.Flags().BoolVar(&none, "none", false, "no database: records stay on this machine")
	return cmd
}

func (c *cli) dbPasswordCommand() *cobra.Command {
	return &cobra.Command{
		Use: "password", Short: "Store the password of your login in the keychain", Args: cobra.NoArgs,
		Long: `Store the password of your login in the keychain of this system. It is asked for
on the terminal, or read from the first line of the standard input.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			password, err := readPassword(os.Stdin, os.Stderr)
			if err != nil {
				return err
			}
			return c.with(cmd.Context(), func(e *engine.Engine) error { return e.SetDatabasePassword(cmd.Context(), password) })
		},
	}
}

func readPassword(in *os.File, out io.Writer) (string, error) {
	if !term.IsTerminal(int(in.Fd())) {
		line, err := bufio.NewReader(in).ReadString('\n')
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			return "", errors.Join(fmt.Errorf("%w: there is no password on the standard input", job.ErrInvalid), notEOF(err))
		}
		return line, nil
	}
	fmt.Fprint(out, "Password: ")
	password, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(out)
	return string(password), err
}

func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func (c *cli) dbHistoryCommand() *cobra.Command {
	return &cobra.Command{
		Use: "history all|none|AGE", Short: "Say which jobs go into the archive", Args: cobra.ExactArgs(1),
		Long: `Say which jobs go into the archive: all, none of those before now, or those of the
last days or hours, such as 30d. It is asked once for each database, because what
is there is there for the team. Of jobs that stay here the archive gets nothing
but the digests in the ledger.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			from, err := historyFrom(args[0], time.Now())
			if err != nil {
				return err
			}
			return c.with(cmd.Context(), func(e *engine.Engine) error { return e.ChooseHistory(from) })
		},
	}
}

func historyFrom(text string, now time.Time) (time.Time, error) {
	switch text {
	case "all":
		return time.Time{}, nil
	case "none":
		return now, nil
	}
	return engine.Moment(text, now)
}

func (c *cli) dbInitCommand() *cobra.Command {
	var url string
	cmd := &cobra.Command{
		Use: "init", Short: "Make the archive in a database: roles, schema, tables", Args: cobra.NoArgs,
		Long: `Make the archive in the configured database: the roles vmo_owner, vmo_operator and
vmo_viewer, the schema vmo and its tables. It may be run again. Who runs it must be
allowed to create roles; if he is not, it prints what an administrator has to run.

Then grant the roles to logins: GRANT vmo_operator TO anna; GRANT vmo_viewer TO bob;`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), func(e *engine.Engine) error { return e.InitDatabase(cmd.Context(), url) })
		},
	}
	cmd.Flags().StringVar(&url, "url", "", "`URL` of another login or database than the configured one; no password in it")
	return cmd
}

func (c *cli) dbMigrateCommand() *cobra.Command {
	var url string
	cmd := &cobra.Command{
		Use: "migrate", Short: "Bring the tables of the archive to this version", Args: cobra.NoArgs,
		Long: `Bring the tables of the archive to the version of this program. Only a member of
vmo_owner may. Older programs that cannot write the new tables stop copying, say
so, and go on recording.

` + inJSON(map[string]int{"version": 0}),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), func(e *engine.Engine) error {
				version, err := e.MigrateDatabase(cmd.Context(), url)
				if err != nil {
					return err
				}
				if c.json {
					return printJSON(map[string]int{"version": version})
				}
				_, err = fmt.Println("the archive has version", version)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&url, "url", "", "`URL` of another login or database than the configured one; no password in it")
	return cmd
}
