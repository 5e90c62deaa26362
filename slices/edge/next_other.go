//go:build !unix

package edge

// next1 would read a request in one go with the wait for it; without sockets that can be tried, nothing is read before its turn.
type next1 struct{ now bool }

func (*next1) begin(*client1) {}

func (*next1) read([]byte) (int, error) { return 0, errNothing }

// readNext waits for the next request, as readFirst does for a connection whose slice is not known.
func (k *client1) readNext(*sliceState) bool { return k.waitFirst() }
