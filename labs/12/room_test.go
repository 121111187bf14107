package room_test

import (
	"testing"

	room "socketbook/labs/12"
	"socketbook/labs/12/roomtest"
)

func TestRoom(t *testing.T) {
	roomtest.Run(t, roomtest.Lab{
		Serve: room.Serve,
	})
}
