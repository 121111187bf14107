package scenario

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"socketbook/tools/netns"
	"socketbook/tools/timeline"
)

// PrivatePlay is a play inside a private network. It runs in a process of its own.
type PrivatePlay func(n *netns.Network, rec *timeline.Recorder) (Outcome, error)

// privateLimit ends a play in a private network that hangs. No scene comes near it.
const privateLimit = 45 * time.Second

// InPrivate returns a play that plays in a private network with these sysctls ("net.core.somaxconn=2").
// name is the scene's; the play must be made while the program's variables are initialised, in the
// process inside as well. It is errors.ErrUnsupported where no private network is to be had.
//
// Met keeps its text only. The events come when the network has ended.
func InPrivate(name string, sysctls []string, play PrivatePlay) Play {
	return InPrivateNetwork(name, PrivateNetwork{Sysctls: sysctls}, play)
}

// PrivateNetwork says what a play finds in its private network.
type PrivateNetwork struct {
	Sysctls []string // "net.core.somaxconn=2"
	Hosts   string   // what /etc/hosts says; "" leaves the system's
}

// InPrivateNetwork is InPrivate with more to say about the network.
func InPrivateNetwork(name string, private PrivateNetwork, play PrivatePlay) Play {
	netns.Register(name, func(n *netns.Network) error { return playInside(n, name, play) })
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		ctx, cancel := context.WithTimeoutCause(context.Background(), privateLimit,
			fmt.Errorf("it did not end within %v", privateLimit))
		defer cancel()
		var result inside
		var events bytes.Buffer
		options := netns.Options{Func: name, Sysctls: private.Sysctls, Hosts: private.Hosts}
		options.Line = func(line []byte) {
			if rest, ok := bytes.CutPrefix(line, []byte(resultMark)); ok {
				err = json.Unmarshal(rest, &result)
				return
			}
			events.Write(append(line, '\n'))
		}
		if err := netns.Run(ctx, options); err != nil {
			return o, err
		}
		played, rerr := timeline.ReadJSON(&events)
		if err := errors.Join(err, rerr); err != nil {
			return o, fmt.Errorf("reading what was played in the private network: %w", err)
		}
		rec.Replay(played)
		if result.Met != "" {
			result.Outcome.Met = errors.New(result.Met)
		}
		return result.Outcome, nil
	}
}

// inside is what the process inside says on its last line, behind resultMark.
type inside struct {
	Outcome Outcome
	Met     string
}

const resultMark = "outcome "

func playInside(n *netns.Network, name string, play PrivatePlay) error {
	rec := timeline.NewRecorder(name)
	o, err := play(n, rec)
	if err != nil {
		return err
	}
	if err := timeline.WriteJSON(os.Stdout, rec.Snapshot()); err != nil {
		return err
	}
	result := inside{Outcome: o}
	if o.Met != nil {
		result.Met, result.Outcome.Met = o.Met.Error(), nil
	}
	text, err := json.Marshal(result)
	if err == nil {
		_, err = fmt.Printf("%s%s\n", resultMark, text)
	}
	return err
}

// OrRecorded returns a play that shows a recording, and says so, where play cannot be played:
// JSON lines, with the system that they were made on. Only Lacking is filled in then.
func OrRecorded(play Play, recording []byte, madeOn string) Play {
	return func(rec *timeline.Recorder) (Outcome, error) {
		o, err := play(rec)
		if !errors.Is(err, errors.ErrUnsupported) {
			return o, err
		}
		events, rerr := timeline.ReadJSON(bytes.NewReader(recording))
		if rerr != nil {
			return o, errors.Join(err, rerr)
		}
		rec.State(0, "a recording, made on %s, because it cannot be played here: %v", madeOn, err)
		rec.Replay(events)
		return Outcome{Lacking: err.Error()}, nil
	}
}
