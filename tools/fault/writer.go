package fault

// Writer is an io.Writer that takes bytes badly. The zero value takes everything. As all
// adversaries it tells with Spun where a loop was ended that went on after a hundred failures, and
// with Stop ends all that call it.
type Writer struct {
	// Most is the number of bytes that one call takes at most; 0 means no limit. A call that is
	// given more takes Most bytes and returns no error, as send(2) and Python's socket.send may do
	// (io.Writer itself forbids it).
	Most int
	// Room is the number of bytes taken before Err; only used when Err is set.
	Room int
	// Err is returned by the call of which no more than Most bytes do not fit into Room any more,
	// with the number of bytes that did, and by every later call.
	Err error
	// Full makes the call that fills Room to the last byte return Err as well, with its full count.
	Full bool

	watch
	taken []byte
	calls int
	tried int // bytes offered after the first failure
}

// Write takes what the limits allow.
func (w *Writer) Write(p []byte) (n int, err error) {
	w.look(func() {
		w.until(func() bool { return true })
		n, err = w.take(p)
	})
	w.count(err)
	return n, err
}

func (w *Writer) take(p []byte) (n int, err error) {
	w.calls++
	if w.failed > 0 {
		w.tried += len(p)
	}
	n = len(p)
	if w.Most > 0 {
		n = min(n, w.Most)
	}
	room := w.Room - len(w.taken)
	if w.Err != nil && (n > room || w.Full && n == room || w.failed > 0) {
		n, err = min(n, room), w.Err
	}
	w.taken = append(w.taken, p[:n]...)
	return n, err
}

// Taken returns a copy of the bytes taken so far.
func (w *Writer) Taken() (taken []byte) {
	w.look(func() { taken = append(taken, w.taken...) })
	return taken
}

// Held is how many bytes it has taken, all of which it keeps.
func (w *Writer) Held() (n int) {
	w.look(func() { n = len(w.taken) })
	return n
}

// Calls is the number of Writes.
func (w *Writer) Calls() (n int) {
	w.look(func() { n = w.calls })
	return n
}

// Tried is the number of bytes that were offered after the first failure.
func (w *Writer) Tried() (n int) {
	w.look(func() { n = w.tried })
	return n
}
