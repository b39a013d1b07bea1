package archive

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"vmorchestrator/internal/job"
)

// ErrNotConfigured means that nobody has said where the archive is.
var ErrNotConfigured = errors.New("no archive is configured")

const connectTimeout = 10 * time.Second

// configured reports whether anything says where the archive is. libpq would
// take the local server without a word; that must be meant.
func configured(url string) bool {
	return url != "" || Variable() != ""
}

// Variable is the variable of libpq that says where the archive is; empty if none
// does.
func Variable() string {
	for _, name := range []string{"PGSERVICE", "PGHOST", "PGHOSTADDR", "PGDATABASE"} {
		if os.Getenv(name) != "" {
			return name
		}
	}
	return ""
}

// parse reads the configuration and refuses what would put a password or the
// output of jobs where others can read it.
func (c *Config) parse() (*pgx.ConnConfig, error) {
	if !configured(c.URL) {
		return nil, job.WithHint(ErrNotConfigured,
			"Say which: vmo db use 'postgres://anna@db.example/vmo?sslmode=verify-full', or VMO_DATABASE_URL.")
	}
	has := hasPassword(c.URL)
	if c.FromFile && has {
		return nil, job.WithHint(fmt.Errorf("%w: the database URL in the configuration file contains a password, which everybody who gets the file could read", job.ErrInvalid),
			"Take it out of the URL and store it with: vmo db password. Or put it into ~/.pgpass, or the whole URL into VMO_DATABASE_URL.")
	}
	cfg, err := pgx.ParseConfig(c.URL)
	if err != nil {
		return nil, job.WithHint(fmt.Errorf("%w: the database URL: %s", job.ErrInvalid, withoutURL(err)),
			"Write it as postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full, or as host=... user=... dbname=....")
	}
	if err := checkTLS(&cfg.Config); err != nil {
		return nil, err
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connectTimeout
	}
	// A dead connection is noticed while nothing is sent. Where something is sent,
	// the deadline of the statement counts.
	dialer := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}}
	cfg.DialFunc = dialer.DialContext
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "vmo"
	}
	// No named statements, so that a pooler may give each statement to another
	// connection; and results in binary, which the mode without descriptions has
	// not. There is no statement_timeout among the parameters because poolers
	// refuse it: each statement has a deadline here, and pgx cancels it on the
	// server when that passes.
	cfg.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	return cfg, nil
}

// server is the archive as it may be shown.
func (c *Config) server() (string, error) {
	cfg, err := c.parse()
	if err != nil {
		return "", err
	}
	return server(&cfg.Config), nil
}

func server(cfg *pgconn.Config) string {
	where := cfg.Host
	if network, _ := pgconn.NetworkAddress(cfg.Host, cfg.Port); network != "unix" {
		where = net.JoinHostPort(cfg.Host, strconv.Itoa(int(cfg.Port)))
	}
	return fmt.Sprintf("%s@%s/%s", cfg.User, where, strings.TrimPrefix(cfg.Database, "/"))
}

var keywordPassword = regexp.MustCompile(`(^|\s)(ssl)?password\s*=`)

// hasPassword reports whether a URL or keyword/value string has a password.
func hasPassword(s string) bool {
	if !strings.HasPrefix(s, "postgres://") && !strings.HasPrefix(s, "postgresql://") {
		return keywordPassword.MatchString(s)
	}
	u, err := url.Parse(s)
	if err != nil { // a password with a character that it may not have: look where it would be
		_, rest, _ := strings.Cut(s, "://")
		before, _, found := strings.Cut(rest, "@")
		return found && strings.Contains(before, ":")
	}
	_, has := u.User.Password()
	return has || u.Query().Has("password") || u.Query().Has("sslpassword")
}

// withoutURL is what pgx says about a URL without the URL, which may contain a
// password in a place where pgx does not expect one.
func withoutURL(err error) string {
	text := err.Error()
	if i := strings.LastIndex(text, "`: "); i >= 0 {
		text = text[i+3:]
	}
	if i := strings.Index(text, "parse \""); i >= 0 { // net/url quotes it once more
		text = text[:i] + "it cannot be read as a URL)"
	}
	return text
}

// checkTLS refuses every connection that leaves this machine without a checked
// certificate. pgx would try TLS and go on in clear text without a word.
func checkTLS(cfg *pgconn.Config) error {
	for _, c := range append([]*pgconn.FallbackConfig{{Host: cfg.Host, Port: cfg.Port, TLSConfig: cfg.TLSConfig}}, cfg.Fallbacks...) {
		if network, _ := pgconn.NetworkAddress(c.Host, c.Port); network == "unix" || loopback(c.Host) {
			continue
		}
		if c.TLSConfig == nil || c.TLSConfig.InsecureSkipVerify {
			return job.WithHint(fmt.Errorf("%w: the connection to %s would not check whom it speaks to, or not be encrypted at all", job.ErrInvalid, c.Host),
				"Add sslmode=verify-full to the database URL, and sslrootcert=/path/to/ca.pem if the server's certificate is not from a public authority.")
		}
	}
	return nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// givePassword puts a password into the configuration: that of the URL or of
// PGPASSWORD, else that of Config.Password, else what pgx found in ~/.pgpass.
func (a *Archive) givePassword(ctx context.Context, cfg *pgconn.Config) error {
	if a.cfg.Password == nil || hasPassword(a.cfg.URL) || os.Getenv("PGPASSWORD") != "" {
		return nil
	}
	a.passwordMu.Lock()
	defer a.passwordMu.Unlock()
	if a.password == nil {
		p, err := a.cfg.Password(ctx, server(cfg))
		if err != nil {
			return job.WithHint(fmt.Errorf("get the password of %s: %w", server(cfg), err),
				"Unlock the keychain, or put the password into ~/.pgpass or the whole URL into VMO_DATABASE_URL.")
		}
		a.password = &p
	}
	if *a.password != "" {
		cfg.Password = *a.password
	}
	return nil
}

func (a *Archive) forgetPassword() {
	a.passwordMu.Lock()
	defer a.passwordMu.Unlock()
	a.password = nil
}

// connect makes a connection of its own, for the shipper: to a server that takes
// writes.
func (a *Archive) connect(ctx context.Context) (*pgx.Conn, error) {
	cfg, err := a.cfg.parse()
	if err != nil {
		return nil, err
	}
	if err := a.givePassword(ctx, &cfg.Config); err != nil {
		return nil, err
	}
	if cfg.ValidateConnect == nil {
		cfg.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	return pgx.ConnectConfig(ctx, cfg)
}

// reader returns the connections for readers. A server that takes no writes will do.
func (a *Archive) reader(ctx context.Context) (*pgxpool.Pool, error) {
	a.poolMu.Lock()
	defer a.poolMu.Unlock()
	if a.pool == nil {
		parsed, err := a.cfg.parse()
		if err != nil {
			return nil, err
		}
		cfg, err := pgxpool.ParseConfig(a.cfg.URL)
		if err != nil {
			return nil, fmt.Errorf("%w: the database URL: %s", job.ErrInvalid, withoutURL(err))
		}
		cfg.ConnConfig = parsed
		cfg.MaxConns, cfg.MinConns, cfg.MaxConnIdleTime = 4, 0, time.Minute
		cfg.BeforeConnect = func(ctx context.Context, c *pgx.ConnConfig) error { return a.givePassword(ctx, &c.Config) }
		if a.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
			return nil, err
		}
		a.ready = false
	}
	if !a.ready {
		ctx, cancel := context.WithTimeout(ctx, a.pace.query)
		defer cancel()
		if err := lookAt(ctx, a.pool); err != nil {
			return nil, a.explain(err)
		}
		var listed bool
		if err := a.pool.QueryRow(ctx, `SELECT to_regclass('vmo.alive') IS NOT NULL`).Scan(&listed); err != nil {
			return nil, a.explain(err)
		}
		a.listed.Store(listed)
		a.ready = true
	}
	return a.pool, nil
}
