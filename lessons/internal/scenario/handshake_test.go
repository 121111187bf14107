package scenario

import (
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/tools/timeline"
)

// A play is repeated when the kernel has acknowledged for programs that were too slow, not for every pause.
func TestInTime(t *testing.T) {
	type segment struct {
		ms    int64
		from  string
		flags string
		n     int
	}
	for _, test := range []struct {
		name     string
		segments []segment
		again    bool
	}{
		{"at once", []segment{
			{1, "client", "PSH ACK", 5}, {2, "server", "PSH ACK", 5}, {3, "client", "ACK", 0},
		}, false},
		{"a pause before anything is sent", []segment{
			{1, "client", "ACK", 0}, {100, "client", "PSH ACK", 5},
		}, false},
		{"a late answer", []segment{
			{1, "client", "PSH ACK", 5}, {2, "server", "ACK", 0}, {100, "server", "PSH ACK", 5},
		}, false},
		{"a late acknowledgement", []segment{{1, "client", "PSH ACK", 5}, {42, "server", "ACK", 0}}, true},
		{"of a FIN", []segment{{1, "client", "FIN ACK", 0}, {42, "server", "ACK", 0}}, true},
		{"with an answer", []segment{{1, "client", "FIN ACK", 0}, {42, "server", "FIN ACK", 0}}, false},
		{"a long silence", []segment{{1, "client", "ACK", 0}, {200, "client", "PSH ACK", 5}}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var all []timeline.Event
			other := map[string]string{"client": "server", "server": "client"}
			for _, s := range test.segments {
				header := &timeline.Header{Flags: s.flags, To: other[s.from]}
				all = append(all, timeline.Event{
					US: 1000 * s.ms, Side: s.from, Conn: "tcp1", Op: timeline.Segment, N: s.n, Header: header,
				})
			}
			w := &wired{
				rec:  timeline.NewRecorder(""),
				seen: func() ([]timeline.Event, error) { return all, nil },
			}
			if test.again {
				require.ErrorIs(t, w.inTime(), ErrAgain)
			} else {
				require.NoError(t, w.inTime())
			}
		})
	}
}
