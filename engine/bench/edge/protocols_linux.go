package edge

import (
	"context"
	"fmt"
	"strings"
)

// clientDirect is the line of the baseline of the rates over TLS: what the clients cost that can speak the protocols, without a proxy and without TLS.
var clientDirect = fmt.Sprintf("%d rps, the clients of the rates over TLS: direct, %s", protocolRate, protocolPlain)

// protocolsOf gives the protocols that were asked for of a proxy.
func (r *rig) protocolsOf(c contender, tuned bool) (out []string) {
	if tuned || c.floodsOnly {
		return nil
	}
	for _, protocol := range protocols() {
		if strings.Contains(overTLS(protocol)+": "+c.name, r.Case) {
			out = append(out, protocol)
		}
	}
	return out
}

func (r *rig) anyProtocol() bool {
	for _, c := range contenders() {
		if len(r.protocolsOf(c, false)) > 0 {
			return true
		}
	}
	return false
}

// clients is the load of the rates over TLS.
func (r *rig) clients(protocol, addr string) Job {
	job := r.victim(addr)
	job.Shape, job.Protocol, job.Rate, job.Connections = shapeClients, protocol, protocolRate, protocolConnections
	return job
}

// clientBaseline measures the backend alone with those clients.
func (r *rig) clientBaseline(ctx context.Context) error {
	f, err := r.generator(ctx, r.clients(protocolPlain, r.backends[0]))
	if err != nil {
		return err
	}
	note := fmt.Sprintf("load %s; the generator itself late by %.2f ms at p99", machineLoad(), float64(f.LagP99)/1000)
	r.report.add(clientDirect, "us p99", float64(f.P99), note+voided(f.P99), f.P50, f.P99, f.P999)
	return nil
}

// protocol measures what a proxy adds by one protocol over TLS: its own time, TLS and the protocol at both ends, for the baseline has neither.
func (r *rig) protocol(ctx context.Context, c contender, p *running, protocol string) error {
	line := overTLS(protocol) + ": " + c.name
	if protocol == protocolH3 && c.noHTTP3 != "" {
		r.report.skip(line, c.noHTTP3)
		return nil
	}
	f, err := r.generator(ctx, r.clients(protocol, p.tlsAddr))
	if err != nil {
		return err
	}
	note := "load " + machineLoad()
	for _, s := range f.trouble("") {
		note += "; " + s
	}
	base := r.report.last(clientDirect)
	f.P50, f.P99, f.P999 = f.P50-base[0], f.P99-base[1], f.P999-base[2]
	r.report.add(line, "us added", float64(f.P99), note, f.P50, f.P99, f.P999)
	return nil
}
