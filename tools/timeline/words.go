package timeline

import "strconv"

// beginning says what a call is about to do. divided says that its return is told apart.
func beginning(e Event, divided bool) string {
	switch e.Op {
	case Listen, Dial:
		return string(e.Op) + " " + clean(e.Text)
	case Accept, Recv, EOF, Reset, Timeout:
		return reader(e) + ": waiting"
	case Send:
		switch {
		case e.blocks():
			return "send: waiting"
		case divided && e.Err != "":
			return "send"
		case e.N == 0:
			return "send 0 bytes"
		}
		return "send " + strconv.Itoa(e.N)
	case Close, CloseWrite:
		words := "close"
		if e.Op == CloseWrite {
			words = "close the writing half"
		} else if e.Text != "" {
			words += " the " + clean(e.Text)
		}
		if e.Err != "" {
			words += ": " + clean(e.Err)
		}
		return words
	}
	return clean(e.Text)
}

// ending says how a call returned.
func ending(e Event) string {
	switch e.Op {
	case Accept:
		if e.Err != "" {
			return "accept: " + clean(e.Err)
		}
		return "accept"
	case Recv:
		switch {
		case e.Err != "" && e.N > 0:
			return "recv " + strconv.Itoa(e.N) + ": " + clean(e.Err)
		case e.Err != "":
			return "recv: " + clean(e.Err)
		case e.N == 0:
			return "recv 0 bytes"
		}
		return "recv " + strconv.Itoa(e.N)
	case EOF:
		return "end of file"
	case Reset:
		return reader(e) + ": " + clean(e.Err)
	case Timeout:
		return reader(e) + ": nothing until the deadline"
	case Send, Dial:
		switch {
		case e.Err == "" && e.Op == Dial:
			return "dial: connected"
		case e.Err == "":
			return "send: all taken"
		case e.N > 0:
			return "send: " + plural(e.N, "byte") + " taken, then: " + clean(e.Err)
		}
		return string(e.Op) + ": " + clean(e.Err)
	}
	return string(e.Op) + " returns"
}

// reader names the call of an event that came in.
func reader(e Event) string {
	if e.Op == Accept || e.Op == Timeout && e.Text == string(Accept) {
		return string(Accept)
	}
	return string(Recv)
}

// noteData is the payload that a note shows.
func noteData(e Event) string {
	if e.Data == nil {
		return ""
	}
	return preview(e.Data, e.N > len(e.Data))
}
