package archive

import (
	"context"
	"crypto/tls"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Check is what can be said about an archive.
type Check struct {
	Server    string // such as anna@db.example:5432/vmo
	Version   string // of Postgres
	Transport string // such as TLS 1.3, or "a socket of this machine"
	Login     string
	May       string // owner, operator or viewer
	Writable  bool   // the server takes writes at the moment
	Schema    int    // the version of its tables
	Answer    time.Duration

	Jobs, Installations int
	Bytes               uint64 // of the archive on the disk of the server
}

// Check connects anew, with the password as it is now, and tells what it finds.
// The error says what has to be done first. It is one attempt.
func (a *Archive) Check(ctx context.Context) (c Check, err error) {
	ctx, cancel := context.WithTimeout(ctx, a.pace.query)
	defer cancel()
	defer func() {
		if err != nil {
			err = fmt.Errorf("check the archive: %w", a.explain(err))
		}
	}()
	a.forgetPassword()
	cfg, err := a.cfg.parse()
	if err != nil {
		return c, err
	}
	c.Server = server(&cfg.Config)
	if err := a.givePassword(ctx, &cfg.Config); err != nil {
		return c, err
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return c, err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was left to send
	c.Transport = transport(conn.PgConn())
	begun := time.Now()
	var super, owner, operator bool
	err = conn.QueryRow(ctx, `
		SELECT current_setting('server_version'), session_user, current_setting('transaction_read_only') = 'off',
			coalesce(pg_has_role(to_regrole('vmo_owner'), 'MEMBER'), false), coalesce(pg_has_role(to_regrole('vmo_operator'), 'MEMBER'), false),
			(SELECT rolsuper FROM pg_roles WHERE rolname = session_user)`).Scan(&c.Version, &c.Login, &c.Writable, &owner, &operator, &super)
	if err != nil {
		return c, err
	}
	c.Answer = time.Since(begun)
	switch {
	case owner || super:
		c.May = "owner"
	case operator:
		c.May = "operator"
	default:
		c.May = "viewer"
	}
	if err := lookAt(ctx, conn); err != nil {
		return c, err
	}
	err = conn.QueryRow(ctx, `
		SELECT (SELECT max(version) FROM vmo.schema_version), (SELECT count(*) FROM vmo.job), (SELECT count(*) FROM vmo.installation),
			(SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c WHERE c.relnamespace = 'vmo'::regnamespace AND c.relkind = 'r')`).
		Scan(&c.Schema, &c.Jobs, &c.Installations, &c.Bytes)
	return c, err
}

// transport is how what is sent is protected.
func transport(conn *pgconn.PgConn) string {
	switch c := conn.Conn().(type) {
	case *tls.Conn:
		return tls.VersionName(c.ConnectionState().Version)
	default:
		if c.RemoteAddr().Network() == "unix" {
			return "a socket of this machine"
		}
		return "not encrypted, within this machine"
	}
}
