package wire

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFlags(t *testing.T) {
	for f := range Flags(255) {
		text, err := f.MarshalText()
		require.NoError(t, err)
		var back Flags
		require.NoError(t, back.UnmarshalText(text))
		require.Equal(t, f, back)
	}
	require.Equal(t, "SYN ACK", (SYN | ACK).String())
	require.Equal(t, "FIN PSH ACK", (FIN | PSH | ACK).String())
	require.True(t, (SYN | ACK).Has(SYN))
	require.False(t, SYN.Has(SYN|ACK))
	var f Flags
	require.ErrorContains(t, f.UnmarshalText([]byte("SYN SIN")), `"SIN"`)
}
