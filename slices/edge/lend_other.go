//go:build !unix

package edge

// lentRead has nothing to do where there is no access to sockets below package net.
type lentRead struct{}

// lend takes what the client says to the backend until the client's end.
func (p *passage) lend() error {
	_, err := copySwitched(p.back, p.user, p.conn.gateway.buffers, switchedBytes)
	return err
}
