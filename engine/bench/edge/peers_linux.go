package edge

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// running is a proxy that serves.
type running struct {
	*process
	addr, tlsAddr string
}

// contender is a proxy that can be started with and without tuning.
type contender struct {
	name   string
	binary string // looked up in PATH; "": this program
	start  func(ctx context.Context, r *rig, tuned bool) (*running, error)

	floodsOnly  bool   // the rest is what another line has already
	defaultOnly bool   // there is nothing to tune
	noHTTP3     string // why it speaks no HTTP/3; "": it does
}

// configurations lists with which settings a proxy is measured: tuned or not.
func (c contender) configurations() []bool {
	if c.defaultOnly {
		return []bool{false}
	}
	return []bool{false, true}
}

const (
	oursName    = "nexus edge"
	patientName = "nexus edge, offender of class default"
	singleName  = "nexus edge, one process"
)

func contenders() []contender {
	return []contender{
		{name: oursName, start: startOurs},
		{name: patientName, start: startPatient, floodsOnly: true, defaultOnly: true},
		{name: singleName, start: startSingle, floodsOnly: true},
		{name: "nginx", binary: "nginx", start: startNginx, noHTTP3: "the distribution's nginx has no HTTP/3"},
		{name: "haproxy", binary: "haproxy", start: startHAProxy, noHTTP3: "the distribution's haproxy is built without QUIC"},
		{name: "caddy", binary: "caddy", start: startCaddy},
		{name: "Go ReverseProxy", start: startPlain, noHTTP3: "the standard library has no HTTP/3"},
	}
}

// startPeer writes a peer's configuration, starts it on free ports and waits until it serves.
func startPeer(ctx context.Context, r *rig, name string, config func(dir, plain, secure string) string,
	command func(dir, file string) *exec.Cmd) (*running, error) {
	dir, err := os.MkdirTemp(r.Dir, name+"-")
	if err != nil {
		return nil, err
	}
	plain, secure, err := freePorts()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, name+".conf")
	if err := os.WriteFile(file, []byte(config(dir, plain, secure)), 0o600); err != nil {
		return nil, err
	}
	cmd := command(dir, file)
	cmd.Dir = dir
	cmd.Env = append(append([]string{}, r.Env...), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir, "TMPDIR="+dir)
	p, err := startProcess(cmd)
	if err != nil {
		return nil, err
	}
	if err := serves(ctx, p, name, plain); err != nil {
		p.stop()
		return nil, err
	}
	return &running{process: p, addr: plain, tlsAddr: secure}, nil
}

// startNginx: connections to backends are kept, as every guide says; nothing else is changed unless tuned. Tuned, an offender's requests
// are delayed to its contract (limit_req with a burst), its bytes limited for exactly the number of connections that come, and the
// time for a header is short.
func startNginx(ctx context.Context, r *rig, tuned bool) (*running, error) {
	config := func(dir, plain, secure string) string {
		var b strings.Builder
		user := ""
		if os.Geteuid() == 0 {
			user = "user root;\n"
		}
		fmt.Fprintf(&b, "%sworker_processes auto;\nworker_rlimit_nofile 16384;\npid %s/pid;\nerror_log stderr crit;\n", user, dir)
		b.WriteString("events { worker_connections 8192; }\nhttp {\n")
		fmt.Fprintf(&b, "access_log off;\nkeepalive_requests 1000000;\nssl_certificate %s;\nssl_certificate_key %s;\nssl_protocols TLSv1.2 TLSv1.3;\n", r.cert, r.key)
		for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
			fmt.Fprintf(&b, "%s_temp_path %s/%s;\n", kind, dir, kind)
		}
		if tuned {
			fmt.Fprintf(&b, "limit_req_zone $server_name zone=small:1m rate=%dr/s;\nclient_header_timeout 3s;\nreset_timedout_connection on;\n", smallContract)
		}
		for i, host := range hosts() {
			fmt.Fprintf(&b, "upstream u%d { server %s; keepalive 256; keepalive_requests 1000000; }\n", i, r.backendOf(host))
			fmt.Fprintf(&b, "server {\nlisten %s backlog=4096;\nlisten %s ssl http2 backlog=4096;\nserver_name %s;\n", plain, secure, host)
			fmt.Fprintf(&b, "location / {\nproxy_pass http://u%d;\nproxy_http_version 1.1;\nproxy_set_header Host $host;\n", i)
			if host == broadcastHost {
				b.WriteString("proxy_set_header Upgrade $http_upgrade;\nproxy_set_header Connection upgrade;\n")
			} else {
				b.WriteString("proxy_set_header Connection \"\";\n")
			}
			if tuned {
				b.WriteString(nginxLimit(host))
			}
			b.WriteString("}\n}\n")
		}
		b.WriteString("}\n")
		return b.String()
	}
	// Only the first server block of an address may set its backlog.
	once := func(dir, plain, secure string) string {
		s := config(dir, plain, secure)
		head, rest, _ := strings.Cut(s, "server_name")
		return head + "server_name" + strings.ReplaceAll(rest, " backlog=4096", "")
	}
	return startPeer(ctx, r, "nginx", once, func(dir, file string) *exec.Cmd {
		return exec.Command("nginx", "-p", dir, "-c", file, "-g", "daemon off;")
	})
}

func nginxLimit(host string) string {
	switch host {
	case smallHost:
		return "limit_req zone=small burst=4096;\n"
	case largeHost:
		return fmt.Sprintf("limit_rate %d;\n", largeContract/64)
	case ceilingHost:
		return fmt.Sprintf("limit_rate %d;\n", ceilingBps/8/shareConnections)
	}
	return ""
}

// startHAProxy: tuned, an offender's requests wait for one of four places at its backend (a queue, because a refused closed loop only
// turns faster), and a source that opens more than 100 TLS connections a second is cut off before the handshake.
func startHAProxy(ctx context.Context, r *rig, tuned bool) (*running, error) {
	config := func(_, plain, secure string) string {
		var b strings.Builder
		b.WriteString("global\nmaxconn 8192\ndefaults\nmode http\ntimeout connect 5s\ntimeout client 60s\ntimeout server 60s\ntimeout queue 60s\ntimeout tunnel 1h\n")
		if tuned {
			b.WriteString("timeout http-request 3s\n")
		} else {
			b.WriteString("timeout http-request 10s\n")
		}
		frontend := func(name, bind string) {
			fmt.Fprintf(&b, "frontend %s\nbind %s\n", name, bind)
			if tuned && name == "secure" {
				b.WriteString("stick-table type ip size 1k expire 10s store conn_rate(1s)\ntcp-request connection track-sc0 src\n" +
					"tcp-request connection reject if { sc0_conn_rate gt 100 }\n")
			}
			for i, host := range hosts() {
				fmt.Fprintf(&b, "use_backend b%d if { hdr(host) -i %s }\n", i, host)
			}
		}
		frontend("plain", plain+" backlog 4096")
		frontend("secure", secure+" ssl crt "+r.both+" alpn h2,http/1.1 backlog 4096")
		for i, host := range hosts() {
			limit := ""
			if tuned && (host == smallHost || host == largeHost || host == greedyHost) {
				limit = " maxconn 4"
			}
			fmt.Fprintf(&b, "backend b%d\nhttp-reuse always\nserver s %s%s\n", i, r.backendOf(host), limit)
		}
		return b.String()
	}
	return startPeer(ctx, r, "haproxy", config, func(_, file string) *exec.Cmd { return exec.Command("haproxy", "-f", file, "-db", "-q") })
}

// startCaddy: tuned, four connections to an offender's backend (further requests wait) and a short time for headers; there is no more to
// tune in the distribution's build.
func startCaddy(ctx context.Context, r *rig, tuned bool) (*running, error) {
	config := func(_, plain, secure string) string {
		var b strings.Builder
		b.WriteString("{\nadmin off\nauto_https off\nlog {\nlevel ERROR\n}\n")
		if tuned {
			b.WriteString("servers {\ntimeouts {\nread_header 3s\n}\n}\n")
		}
		b.WriteString("}\n")
		portOf := func(addr string) string { return addr[strings.LastIndexByte(addr, ':'):] }
		for _, host := range hosts() {
			limit := ""
			if tuned && (host == smallHost || host == largeHost || host == greedyHost) {
				limit = "\nmax_conns_per_host 4"
			}
			proxy := fmt.Sprintf("bind 127.0.0.1\nreverse_proxy %s {\ntransport http {\nkeepalive_idle_conns_per_host 256%s\n}\n}\n", r.backendOf(host), limit)
			fmt.Fprintf(&b, "http://%s%s {\n%s}\nhttps://%s%s {\ntls %s %s\n%s}\n", host, portOf(plain), proxy, host, portOf(secure), r.cert, r.key, proxy)
		}
		return b.String()
	}
	return startPeer(ctx, r, "caddy", config, func(_, file string) *exec.Cmd {
		return exec.Command("caddy", "run", "--config", file, "--adapter", "caddyfile")
	})
}

// startPlain: tuned, four requests of a host at once, the others wait.
func startPlain(ctx context.Context, r *rig, tuned bool) (*running, error) {
	plain, secure, err := freePorts()
	if err != nil {
		return nil, err
	}
	job := plainProxy{Listen: plain, ListenTLS: secure, Cert: r.cert, Key: r.key, Backends: map[string]string{}}
	for _, host := range hosts() {
		job.Backends[host] = r.backendOf(host)
	}
	if tuned {
		job.Bound = 4
	}
	p, _, err := r.part(PartProxy, job)
	if err != nil {
		return nil, err
	}
	if err := serves(ctx, p, "Go ReverseProxy", plain); err != nil {
		p.stop()
		return nil, err
	}
	return &running{process: p, addr: plain, tlsAddr: secure}, nil
}
