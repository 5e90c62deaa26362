//go:build !unix

package edge

// turn has nothing to do where there is no access to sockets below package net.
type turn struct{}

func (*turn) begin() {}

// exchange sends what is unsent and reads into p.
func (u *upstream) exchange(p []byte) (int, error) {
	out := u.unsent
	u.unsent = nil
	if err := u.write(out, u.stall); err != nil {
		return 0, err
	}
	return u.Conn.Read(p)
}
