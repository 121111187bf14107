package rowdiff

import (
	"fmt"
	"strings"
)

// Patch writes the files as one unified diff that `git apply` and `patch -p1` accept. Identical files are
// left out; a file without rows leaves a line that both programs pass over. There is at least one
// line of context: `git apply` refuses hunks with none.
func Patch(files []*File, context int) string {
	if context == 0 {
		context = 1
	}
	var out strings.Builder
	for _, f := range files {
		if !f.Differs {
			continue
		}
		if f.Skipped != "" {
			fmt.Fprintf(&out, "Not in this patch: %s %s\n", quote(f.Name), f.Skipped)
			continue
		}
		hunks := f.Unified(context)
		oldName, newName := "a/"+f.Name, "b/"+f.Name
		fmt.Fprintf(&out, "diff --git %s %s\n", quote(oldName), quote(newName))
		switch {
		case !f.InOld:
			out.WriteString("new file mode 100644\n")
			oldName = "/dev/null"
		case !f.InNew:
			out.WriteString("deleted file mode 100644\n")
			newName = "/dev/null"
		}
		switch {
		case hunks != "":
			fmt.Fprintf(&out, "--- %s\n+++ %s\n%s", ended(oldName), ended(newName), hunks)
		case f.InNew: // an empty file has no hunk; to patch, this line says that it comes or goes
			fmt.Fprintf(&out, "index %s..%s\n", noFile, emptyFile)
		case f.InOld:
			fmt.Fprintf(&out, "index %s..%s\n", emptyFile, noFile)
		}
	}
	return out.String()
}

// What git writes in an index line for a file that is not there, and for an empty one: the SHA-1 of
// "blob 0\x00".
const noFile, emptyFile = "0000000", "e69de29"

// quote writes a name as git does: as it is, or between double quotes with C's escapes when it holds a
// character that would end the name early.
func quote(name string) string {
	special := func(r rune) bool { return r < ' ' || r == '"' || r == '\\' || r == 0x7f }
	if !strings.ContainsFunc(name, special) {
		return name
	}
	var out strings.Builder
	out.WriteByte('"')
	for _, c := range []byte(name) {
		switch {
		case c == '"' || c == '\\':
			out.WriteByte('\\')
			out.WriteByte(c)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&out, "\\%03o", c)
		default:
			out.WriteByte(c)
		}
	}
	out.WriteByte('"')
	return out.String()
}

// ended closes a name that holds a space with a tab, or else the name would end at the space.
func ended(name string) string {
	if strings.Contains(name, " ") {
		return quote(name) + "\t"
	}
	return quote(name)
}
