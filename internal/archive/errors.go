package archive

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"vmorchestrator/internal/job"
)

// What can be wrong with who ships.
var (
	errViewer  = errors.New("this login may read the archive and not add to it")
	errForked  = errors.New("the archive has another ledger of this installation")
	errForeign = errors.New("this installation belongs to another login")
)

// class is what a failure means for the shipper.
type class int

const (
	classWait   class = iota // it passes: a network, a restart, a full disk
	classAuth                // the server refuses the login: nothing is tried until an operator says so
	classStop                // rights or tables are wrong: looked at again slowly
	classReject              // the server does not take these rows
	classBug                 // a source or a program that is wrong; waits as well
)

// classify tells what to do after a failure; see the table of error codes in
// PostgreSQL's documentation, appendix A.
func classify(err error) class {
	if is(err, errNoArchive, errNotOurs, errHalf, errOlder, errNewer, errOldServer, errNoAccess, errViewer, errForked, errForeign, job.ErrInvalid) {
		return classStop
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		var cert *tls.CertificateVerificationError
		if errors.As(err, &cert) {
			return classStop
		}
		return classWait // the connection, or its end
	}
	switch pg.Code {
	case "28P01", "28000":
		return classAuth
	case "42501", "3D000", "3F000", "0A000":
		return classStop
	case "P0001":
		return classReject
	}
	switch pg.Code[:2] {
	case "42":
		return classStop
	case "22", "23", "44", "54", "P0":
		return classReject
	default: // 08, 25006, 40, 53, 55, 57, 58, XX: it passes, or an operator of the server makes it pass
		return classWait
	}
}

func is(err error, targets ...error) bool {
	for _, t := range targets {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}

// explain says in words what went wrong with the server, and what to do about it.
// It contains no URL and no password.
func (a *Archive) explain(err error) error {
	if err == nil || job.HintOf(err) != "" || errors.Is(err, context.Canceled) {
		return err
	}
	where, serr := a.cfg.server()
	if serr != nil {
		where = "the archive"
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return job.WithHint(fmt.Errorf("%s: %s (SQLSTATE %s)%w", where, pg.Message, pg.Code, quiet{err}), advice(pg))
	}
	var cert *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var dns *net.DNSError
	switch {
	case errors.As(err, &unknown):
		return job.WithHint(fmt.Errorf("%s: its certificate is not from an authority that this machine knows%w", where, quiet{err}),
			"Add sslrootcert=/path/to/ca.pem to the database URL, with the certificate of the authority that your administrator names.")
	case errors.As(err, &name):
		return job.WithHint(fmt.Errorf("%s: its certificate is for another name: %s%w", where, name.Error(), quiet{err}),
			"Use the name that the certificate is for.")
	case errors.As(err, &cert):
		return job.WithHint(fmt.Errorf("%s: its certificate is refused: %s%w", where, cert.Err, quiet{err}), "Ask the administrator of the server.")
	case strings.Contains(err.Error(), "server refused TLS"):
		return job.WithHint(fmt.Errorf("%s: the server does not offer TLS%w", where, quiet{err}), "Let its administrator set ssl = on; nothing is sent without.")
	case strings.Contains(err.Error(), "read only"):
		return job.WithHint(fmt.Errorf("%s takes no writes at the moment: it is a standby or set to read-only%w", where, quiet{err}),
			"Nothing: it is tried again, and goes on when the server takes writes. If it should by now, name all servers in the URL: host1,host2.")
	case errors.As(err, &dns):
		return job.WithHint(fmt.Errorf("%s: the name %s is not found%w", where, dns.Name, quiet{err}), "Check the name and the network; it is tried again.")
	case pgconn.Timeout(err), errors.Is(err, context.DeadlineExceeded):
		return job.WithHint(fmt.Errorf("%s does not answer in time%w", where, quiet{err}), "Check the network or VPN; it is tried again.")
	}
	return job.WithHint(fmt.Errorf("%s: %s%w", where, withoutURL(root(err)), quiet{err}), "Check that the server runs and can be reached; it is tried again.")
}

// root is the innermost error that is not a list of attempts.
func root(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op
	}
	var c *pgconn.ConnectError
	if errors.As(err, &c) && c.Unwrap() != nil {
		return c.Unwrap()
	}
	return err
}

// quiet carries an error for errors.Is and errors.As without its text.
type quiet struct{ err error }

func (quiet) Error() string   { return "" }
func (q quiet) Unwrap() error { return q.err }

// advice is what to do about what the server says.
func advice(pg *pgconn.PgError) string {
	switch pg.Code {
	case "28P01":
		return "The password is wrong or has expired; the server does not say which. Store the right one with: vmo db password. It is not tried again before, so that the login is not locked."
	case "28000":
		return "Ask the administrator of the server: the login does not exist, or may not connect from here. It is not tried again before you say so."
	case "3D000":
		return "Check the name of the database in the database URL."
	case "42501":
		return "Ask the owner of the archive for: GRANT vmo_operator TO your login (or vmo_viewer, to read only)"
	case "25006":
		return "Nothing: the server takes no writes at the moment; it is tried again."
	case "53100":
		return "Let the administrator of the server free some space on its disk; it is tried again, and nothing is lost."
	case "53300":
		return "The server has no free connection; it is tried again. Its administrator can raise max_connections."
	}
	switch pg.Code[:2] {
	case "42", "3F":
		return migrateAdvice
	case "57", "08", "53", "55", "40", "58":
		return "Nothing: it is tried again."
	case "22", "23", "P0", "54", "44":
		return "Ask the owner of the archive what the server has against it; vmo ship --once tries it again."
	}
	return "Ask the administrator of the server; it is tried again."
}

// broken reports whether a connection that had worked is gone, as after a restart
// of the server: a new one may work.
func broken(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "57P01" || pg.Code == "57P02" || pg.Code == "08006"
	}
	var dial *pgconn.ConnectError
	return !errors.As(err, &dial) && !pgconn.Timeout(err) && !errors.Is(err, context.DeadlineExceeded) && errors.As(err, new(net.Error)) ||
		errors.Is(err, io.ErrUnexpectedEOF)
}
