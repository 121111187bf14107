package intake

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
)

func TestRosters(t *testing.T) {
	gbk := func(s string) string {
		text, err := simplifiedchinese.GBK.NewEncoder().String(s)
		require.NoError(t, err)
		return text
	}
	utf16, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String("id\tname\nu1\t李雷\n")
	require.NoError(t, err)
	for name, test := range map[string]struct {
		text string
		kind string
		want []Person
	}{
		"plain": {"id,name,email\nada,Ada,a@x\n", Plain, []Person{{
			ID: "ada", Name: "Ada",
			Email: "a@x",
		}}},
		"hold": {"id,hold\nada,yes\nbob,\neve,0\n", Plain, []Person{
			{ID: "ada", Hold: true},
			{ID: "bob"},
			{ID: "eve"},
		}},
		"no header":             {"ada,Ada L,a@x\n", Plain, []Person{{ID: "ada", Name: "Ada L", Email: "a@x"}}},
		"one column, no header": {"ada\nbob\n", Plain, []Person{{ID: "ada"}, {ID: "bob"}}},
		"BOM": {"\ufeffid,name\r\nada,\"L, \"\"A\"\"\"\r\n", Plain, []Person{{
			ID:   "ada",
			Name: `L, "A"`,
		}}},
		"GBK": {gbk("学号,姓名,邮箱\n2026001,李雷,l@x\n"), Plain, []Person{{
			ID:   "2026001",
			Name: "李雷", Email: "l@x",
		}}},
		"two BOMs":     {"\ufeff\ufeffid,name\nada,A", Plain, []Person{{ID: "ada", Name: "A"}}},
		"quoted end":   {"id,name\nada,\"A\nB\"", Plain, []Person{{ID: "ada", Name: "A\nB"}}},
		"old Mac":      {"id,name\rada,A\rbob,B\r", Plain, []Person{{ID: "ada", Name: "A"}, {ID: "bob", Name: "B"}}},
		"semicolons":   {"id;name\nada;A,B\n", Plain, []Person{{ID: "ada", Name: "A,B"}}},
		"UTF-16, tabs": {utf16, Plain, []Person{{ID: "u1", Name: "李雷"}}},
		"Canvas": {
			"Student,ID,SIS User ID,SIS Login ID,Section,Lab 05 (7)\n,,,,,Manual Posting\n    Points Possible,,,,,10\n" +
				"\"A, B\",1,s1,ab,S,\n\"Student, Test\",9,,,S,\n", Canvas,
			[]Person{{ID: "ab", Name: "A, B"}, {ID: "9", Name: "Student, Test"}},
		},
		"Moodle": {
			"First name,Last name,Username,ID number,Email address\nAda,Lovelace,ada,77,a@x\nNo,Username,,78,n@x\n", Moodle,
			[]Person{{ID: "ada", Name: "Ada Lovelace", Email: "a@x"}, {ID: "78", Name: "No Username", Email: "n@x"}},
		},
		"Moodle in Chinese": {"名,姓,学号,电子邮件地址\n雷,李,77,l@x\n", Moodle, []Person{{
			ID: "77", Name: "雷 李",
			Email: "l@x",
		}}},
		"twice": {"id,name\nada,A\nADA,B\n,C\nbob,\n", Plain, []Person{
			{ID: "ada", Name: "A"},
			{ID: "bob"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := ParseRoster([]byte(test.text))
			require.NoError(t, err)
			require.Equal(t, test.kind, r.Kind)
			var got []Person
			for _, p := range r.People {
				got = append(got, Person{ID: p.ID, Name: p.Name, Email: p.Email, Hold: p.Hold})
			}
			require.Equal(t, test.want, got)
			p, ok := r.Find(test.want[0].ID)
			require.True(t, ok)
			require.Equal(t, test.want[0].Name, p.Name)
		})
	}
	for _, text := range []string{
		"", "\n", "color,shape,size,weight,age\nred,round,1,2,3\n", "id,name\n",
		"\x00\x01", "i\x00d\x00\n\x00a\x00", // UTF-16 without a byte order mark
	} {
		_, err := ParseRoster([]byte(text))
		require.Error(t, err, "%q", text)
	}
	// Otherwise everybody behind it would be missing, and the grades be left out of the gradebook.
	for text, line := range map[string]string{
		"id,name\nada,\"A\nbob,B\n": "line 2", "id,name\nada,A\nbob,\"\nB": "line 3", "id,name\n\"ada,A\n": "line 2",
	} {
		_, err := ParseRoster([]byte(text))
		require.ErrorContains(t, err, line, "%q", text)
		require.ErrorContains(t, err, "not closed", "%q", text)
	}
	r, err := ParseRoster([]byte("First name,Last name,Email address\nLi,Lei,1@x\nLi,Lei,2@x\n"))
	require.NoError(t, err)
	_, ok := r.Find("Li Lei")
	require.False(t, ok, "a name that two students have names neither")
}

// TestManyRowsPassedOver: what is said of a roster does not grow with it.
func TestManyRowsPassedOver(t *testing.T) {
	r, err := ParseRoster([]byte("id,name\n" + strings.Repeat("ada,A\n", mostNotices+8)))
	require.NoError(t, err)
	require.Len(t, r.People, 1)
	require.Len(t, r.Notices, mostNotices+1)
	require.Equal(t, "7 more rows of the roster are passed over", r.Notices[mostNotices])
}

func FuzzRoster(f *testing.F) {
	f.Add([]byte("id,name\nada,A\n"))
	f.Add([]byte("Student,ID,Section\nPoints Possible,,\nA,1,S\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := ParseRoster(text)
		if err != nil {
			return
		}
		for _, p := range r.People {
			if p.ID == "" || p.Row >= len(r.Rows) {
				t.Fatalf("%+v", p)
			}
		}
	})
}
