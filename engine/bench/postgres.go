package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// postgresSchema is the same double entry in PostgreSQL: an event once by its id, three postings, the cumulative split of its unit. post_one takes one
// event, and with hot credits one account of the platform's as well, as ours do; post_many takes n in one statement each,
// the way a set-based program would be written.
const postgresSchema = `
DROP SCHEMA IF EXISTS bench CASCADE;
CREATE SCHEMA bench;
SET search_path = bench;
CREATE TABLE accounts (unit int PRIMARY KEY, gross bigint NOT NULL DEFAULT 0, creator bigint NOT NULL DEFAULT 0) WITH (fillfactor = 50);
CREATE TABLE platform (id int PRIMARY KEY, balance bigint NOT NULL DEFAULT 0) WITH (fillfactor = 10);
CREATE TABLE events (id text PRIMARY KEY, unit int NOT NULL, minor bigint NOT NULL, at timestamptz NOT NULL DEFAULT now());
CREATE TABLE postings (event text NOT NULL, account smallint NOT NULL, minor bigint NOT NULL);
CREATE SEQUENCE ids CACHE 1000;
INSERT INTO accounts SELECT g FROM generate_series(1, 1000) g;
INSERT INTO platform VALUES (1);
CREATE FUNCTION post_one(u int, m bigint, hot bool) RETURNS void LANGUAGE plpgsql AS $$
DECLARE e text := 'event-' || nextval('bench.ids'); was bigint; now bigint;
BEGIN
  INSERT INTO bench.events VALUES (e, u, m);
  UPDATE bench.accounts SET gross = gross + m, creator = (55 * (gross + m) + 99) / 100 WHERE unit = u
    RETURNING creator, (55 * (gross - m) + 99) / 100 INTO now, was;
  INSERT INTO bench.postings VALUES (e, 1, -m), (e, 2, now - was), (e, 3, m - (now - was));
  IF hot THEN UPDATE bench.platform SET balance = balance + m - (now - was) WHERE id = 1; END IF;
END $$;
CREATE FUNCTION post_many(n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM bench.accounts WHERE unit <= 16 ORDER BY unit FOR UPDATE;
  WITH fresh AS (
    INSERT INTO bench.events SELECT 'event-' || nextval('bench.ids'), 1 + g % 16, 1 + g % 9973 FROM generate_series(1, n) g RETURNING id, unit, minor),
  summed AS (
    SELECT f.*, a.gross + sum(f.minor) OVER (PARTITION BY f.unit ORDER BY f.id) AS after FROM fresh f JOIN bench.accounts a USING (unit)),
  parts AS (
    SELECT id, unit, minor, (55 * after + 99) / 100 - (55 * (after - minor) + 99) / 100 AS creator FROM summed),
  posted AS (
    INSERT INTO bench.postings SELECT id, p.account, p.minor FROM parts,
      LATERAL (VALUES (1, -parts.minor), (2, creator), (3, parts.minor - creator)) AS p (account, minor)),
  totals AS (SELECT unit, sum(minor) AS gross, sum(creator) AS creator FROM parts GROUP BY unit),
  credited AS (UPDATE bench.accounts a SET gross = a.gross + t.gross, creator = a.creator + t.creator FROM totals t WHERE a.unit = t.unit)
  UPDATE bench.platform SET balance = balance + (SELECT sum(gross - creator) FROM totals) WHERE id = 1;
END $$;
`

// postgresCases are run with pgbench, PostgreSQL's own load generator, over prepared statements.
var postgresCases = []struct {
	name          string
	clients, each int
	script        string
}{
	{"PostgreSQL, single events, 16 clients", 16, 1, "\\set u random(1, 1000)\n\\set m random(1, 9973)\nSELECT bench.post_one(:u, :m, false);\n"},
	{"PostgreSQL, the same, one platform account", 16, 1, "\\set u random(1, 1000)\n\\set m random(1, 9973)\nSELECT bench.post_one(:u, :m, true);\n"},
	{"PostgreSQL, batches of 1000, 4 clients", 4, 1000, "SELECT bench.post_many(1000);\n"},
}

// postgres is a server of the bench's own: a fresh cluster, a socket in its directory, no port.
type postgres struct {
	bin, dir string
	as       *syscall.SysProcAttr // the user postgres when the bench is root, which the server refuses
	server   *exec.Cmd
}

// postgresPrograms are what the comparison needs, in one folder.
var postgresPrograms = []string{"initdb", "postgres", "pg_isready", "psql", "pgbench"}

// postgresBin finds the newest folder that has them all; empty when PostgreSQL is not installed.
func postgresBin() string {
	dirs, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return ""
	}
	sort.Slice(dirs, func(i, j int) bool { return versionOf(dirs[i]) > versionOf(dirs[j]) })
	if p, err := exec.LookPath("initdb"); err == nil {
		dirs = append(dirs, filepath.Dir(p))
	}
	for _, dir := range dirs {
		whole := true
		for _, name := range postgresPrograms {
			_, err := os.Stat(filepath.Join(dir, name))
			whole = whole && err == nil
		}
		if whole {
			return dir
		}
	}
	return ""
}

func versionOf(bin string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(bin)))
	if err != nil {
		return 0
	}
	return n
}

// postgresRows measures the same double entry in PostgreSQL, beside ours in the same run. A peer that is absent is said to be absent.
func postgresRows(ctx context.Context, o Options) ([]Row, error) {
	bin := postgresBin()
	if bin == "" {
		o.note("PostgreSQL is not installed (Debian: postgresql): not compared")
		return nil, nil
	}
	p, err := startPostgres(ctx, bin, filepath.Dir(o.Dir))
	if err != nil {
		return nil, err
	}
	version, err := p.run(ctx, "", "postgres", "--version")
	if err != nil {
		return nil, errors.Join(err, p.stop())
	}
	o.note(strings.TrimSpace(version) + ", fsync and synchronous_commit on, shared_buffers 512MB, max_wal_size 8GB, pgbench over prepared statements")
	var rows []Row
	for _, c := range postgresCases {
		if !o.wants(c.name) {
			continue
		}
		fmt.Fprintf(o.Progress, "bench ledger: %s\n", c.name)
		var runs []sample
		for range o.Runs {
			s, err := p.measure(ctx, c.script, c.clients, c.each, o.Duration)
			if err != nil {
				return rows, errors.Join(err, p.stop())
			}
			runs = append(runs, s)
		}
		rows = append(rows, row(c.name, "events/s", "", runs))
	}
	return rows, p.stop()
}

func startPostgres(ctx context.Context, bin, under string) (p *postgres, err error) {
	p = &postgres{bin: bin}
	if p.dir, err = os.MkdirTemp(under, "nexus-bench-pg-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.stop())
		}
	}()
	if os.Geteuid() == 0 {
		if err := p.become("postgres"); err != nil {
			return p, err
		}
	}
	data := filepath.Join(p.dir, "data")
	if _, err := p.run(ctx, "", "initdb", "-D", data, "-A", "trust", "-U", "bench", "-N"); err != nil {
		return p, err
	}
	server := p.command(ctx, "postgres", "-D", data, "-k", p.dir, "-c", "listen_addresses=", "-c", "shared_buffers=512MB", "-c", "max_wal_size=8GB",
		"-c", "logging_collector=off")
	server.Cancel = func() error { return server.Process.Signal(syscall.SIGINT) } // a fast shutdown
	if err := server.Start(); err != nil {
		return p, err
	}
	p.server = server
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if _, err = p.run(ctx, "", "pg_isready", "-h", p.dir, "-U", "bench", "-d", "postgres"); err == nil || time.Now().After(end) {
			return p, err
		}
	}
}

// become makes the server's programs run as a user that is not root.
func (p *postgres) become(name string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return nexus.Errf("bench", nexus.CodeUnfit, "user "+name, "install PostgreSQL's package, which makes it, or run the bench as another user",
			"%w", err)
	}
	uid, uerr := strconv.ParseUint(u.Uid, 10, 32)
	gid, gerr := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(uerr, gerr); err != nil {
		return err
	}
	p.as = asUser(uint32(uid), uint32(gid))
	return os.Chown(p.dir, int(uid), int(gid))
}

func (p *postgres) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, name), args...)
	cmd.Dir = p.dir
	cmd.Env = []string{"PGHOST=" + p.dir, "PGUSER=bench", "PGDATABASE=postgres", "LC_ALL=C", "PATH=/usr/bin:/bin"}
	cmd.SysProcAttr = p.as
	return cmd
}

// run runs one program to its end and gives what it printed.
func (p *postgres) run(ctx context.Context, stdin, name string, args ...string) (string, error) {
	cmd := p.command(ctx, name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		text := strings.TrimSpace(stderr.String())
		return "", nexus.Errf("bench", nexus.CodeUnavailable, name, "see its message", "%w: %s", err, text[max(0, len(text)-400):])
	}
	return string(out), nil
}

// measure makes the tables anew and lets clients post for d.
func (p *postgres) measure(ctx context.Context, script string, clients, each int, d time.Duration) (sample, error) {
	if _, err := p.run(ctx, postgresSchema, "psql", "-q", "-v", "ON_ERROR_STOP=1"); err != nil {
		return sample{}, err
	}
	seconds := max(1, int(d.Seconds()+0.5))
	file := filepath.Join(p.dir, "script.sql")
	if err := os.WriteFile(file, []byte(script), 0o644); err != nil { // read by the server's user
		return sample{}, err
	}
	out, err := p.run(ctx, "", "pgbench", "-n", "-M", "prepared", "-c", strconv.Itoa(clients), "-j", "2", "-T", strconv.Itoa(seconds),
		"-f", file, "-l", "--log-prefix=latency")
	if err != nil {
		return sample{}, err
	}
	var s sample
	for line := range strings.SplitSeq(out, "\n") {
		if rest, ok := strings.CutPrefix(line, "tps = "); ok {
			number, _, _ := strings.Cut(rest, " ")
			if s.rate, err = strconv.ParseFloat(number, 64); err != nil {
				return s, err
			}
		}
	}
	if s.rate == 0 {
		return s, nexus.Errf("bench", nexus.CodeInternal, "pgbench", "report this as a bug", "said no rate: %q", out)
	}
	s.rate *= float64(each)
	s.latencies, err = p.latencies()
	return s, err
}

// latencies reads and removes what pgbench logged: client, number, microseconds and more, one transaction a line.
func (p *postgres) latencies() (out []time.Duration, err error) {
	files, err := filepath.Glob(filepath.Join(p.dir, "latency.*"))
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			words := strings.Fields(lines.Text())
			if len(words) < 3 {
				continue
			}
			us, err := strconv.ParseInt(words[2], 10, 64)
			if err != nil {
				return nil, errors.Join(err, f.Close())
			}
			out = append(out, time.Duration(us)*time.Microsecond)
		}
		if err := errors.Join(f.Close(), os.Remove(name)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// stop ends the server, waits for it and removes its files.
func (p *postgres) stop() error {
	var err error
	if p.server != nil {
		err = p.server.Process.Signal(syscall.SIGINT)
		err = errors.Join(err, p.server.Wait())
		p.server = nil
	}
	return errors.Join(err, os.RemoveAll(p.dir))
}
