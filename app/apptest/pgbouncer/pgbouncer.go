// Package pgbouncer runs a PgBouncer of a test's own in front of the test's Postgres.
package pgbouncer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ErrMissing is the error of [Start] where PgBouncer is not installed.
var ErrMissing = errors.New("PgBouncer is not installed (Debian: apt-get install pgbouncer; Fedora: dnf install pgbouncer; macOS: brew install pgbouncer)")

// startLimit is how long PgBouncer has to take connections; attempts is how many ports are tried.
const (
	startLimit = 20 * time.Second
	attempts   = 5
)

// Process is a running PgBouncer.
type Process struct {
	// Port is where it listens, on the loopback and as a socket in Dir.
	Port int
	// Dir is the folder of its socket and its configuration.
	Dir string

	database *url.URL
	cmd      *exec.Cmd
	output   *output
	ended    chan struct{}
}

// output keeps the log of PgBouncer.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Start starts PgBouncer in front of the server of database, a postgres:// URL, with lines for the section [pgbouncer] of its
// configuration beside its defaults. As root it runs as the server's user.
func Start(ctx context.Context, database string, lines ...string) (*Process, error) {
	binary, err := find()
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(database)
	if err != nil {
		return nil, errors.New("start PgBouncer: the database's URL is not valid")
	}
	for range attempts {
		p := &Process{database: u}
		if err = p.start(ctx, binary, lines); err == nil {
			return p, nil
		}
	}
	return nil, fmt.Errorf("start PgBouncer: %w", err)
}

func find() (string, error) {
	if path, err := exec.LookPath("pgbouncer"); err == nil {
		return path, nil
	}
	const debian = "/usr/sbin/pgbouncer" // a folder that is not in everybody's path
	if _, err := os.Stat(debian); err == nil {
		return debian, nil
	}
	return "", ErrMissing
}

// URL leads through PgBouncer to the database, by its socket.
func (p *Process) URL() string {
	return p.url("", url.Values{"host": {p.Dir}, "port": {strconv.Itoa(p.Port)}})
}

// TCP leads through PgBouncer to the database, by the loopback and with further options.
func (p *Process) TCP(options url.Values) string {
	return p.url(net.JoinHostPort("127.0.0.1", strconv.Itoa(p.Port)), options)
}

func (p *Process) url(host string, options url.Values) string {
	u := *p.database
	u.Host = host
	q := u.Query()
	q.Del("host")
	for key := range options {
		q.Set(key, options.Get(key))
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// Stop ends PgBouncer at once, and deletes its folder.
func (p *Process) Stop() {
	_ = p.cmd.Process.Kill() // one that has ended is ended
	<-p.ended
	_ = os.RemoveAll(p.Dir)
}

func (p *Process) start(ctx context.Context, binary string, lines []string) error {
	var err error
	if p.Dir, err = os.MkdirTemp("", "plugboard-pgbouncer."); err != nil {
		return err
	}
	if p.Port, err = freePort(ctx); err != nil {
		return err
	}
	args := []string{"-q"}
	owner, err := p.owner()
	if err != nil {
		return err
	}
	if owner != nil {
		args = append(args, "-u", owner.Username)
	}
	file, err := p.configure(owner, lines)
	if err != nil {
		return err
	}
	p.output, p.ended = &output{}, make(chan struct{})
	p.cmd = exec.Command(binary, append(args, file)...) //nolint:gosec,noctx // the test's own; it outlives the start's context
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func() {
		_ = p.cmd.Wait() // its output says why
		close(p.ended)
	}()
	if err := p.await(ctx); err != nil {
		p.Stop()
		return fmt.Errorf("%w: %s", err, p.output)
	}
	return nil
}

// owner is whom root runs PgBouncer as: it refuses root, and must be let into the folder of the server's socket.
func (p *Process) owner() (*user.User, error) {
	if os.Getuid() != 0 {
		return nil, nil //nolint:nilnil // nobody else
	}
	if folder := p.database.Query().Get("host"); strings.HasPrefix(folder, "/") {
		uid, err := ownerOf(folder)
		if err != nil {
			return nil, err
		}
		if uid != 0 {
			return user.LookupId(strconv.Itoa(uid))
		}
	}
	return user.Lookup("nobody")
}

func (p *Process) configure(owner *user.User, lines []string) (string, error) {
	server := []string{"dbname=" + strings.Trim(p.database.Path, "/"), "user=" + p.database.User.Username()}
	if password, ok := p.database.User.Password(); ok {
		server = append(server, "password="+password)
	}
	host, port := p.database.Query().Get("host"), p.database.Port()
	if host == "" {
		host = p.database.Hostname()
	}
	if port == "" {
		port = "5432"
	}
	server = append(server, "host="+host, "port="+port)
	text := "[databases]\n" + strings.Trim(p.database.Path, "/") + " = " + strings.Join(server, " ") + "\n" +
		"[pgbouncer]\nauth_type = any\nlisten_addr = 127.0.0.1\nlisten_port = " + strconv.Itoa(p.Port) + "\n" +
		"unix_socket_dir = " + p.Dir + "\n" + strings.Join(lines, "\n") + "\n"
	file := filepath.Join(p.Dir, "pgbouncer.ini")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return "", err
	}
	if owner == nil {
		return file, nil
	}
	uid, err := strconv.Atoi(owner.Uid)
	if err != nil {
		return "", err
	}
	return file, errors.Join(os.Chown(file, uid, -1), os.Chown(p.Dir, uid, -1))
}

// await waits until PgBouncer listens on both its addresses.
func (p *Process) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !p.listens(ctx) {
		select {
		case <-tick.C:
		case <-p.ended:
			return errors.New("it has ended")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (p *Process) listens(ctx context.Context) bool {
	var dialer net.Dialer
	for network, address := range map[string]string{
		"tcp": net.JoinHostPort("127.0.0.1", strconv.Itoa(p.Port)), "unix": filepath.Join(p.Dir, ".s.PGSQL."+strconv.Itoa(p.Port)),
	} {
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return false
		}
		_ = conn.Close()
	}
	return true
}

// freePort returns a port of the loopback that nobody listens on. PgBouncer takes none that is chosen for it.
func freePort(ctx context.Context) (int, error) {
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = listener.Close() }()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(port)
}
