package source

import (
	"regexp"
	"slices"
	"strings"
)

// everywhere are the packages that every lab may import: those that compute, and those for sockets, files and
// text. What starts programs, talks HTTP, looks into the program itself or goes past its types is not
// among them.
var everywhere = strings.Fields(`
	bufio bytes cmp context errors fmt hash io io/fs iter log log/slog maps math net net/netip os os/signal path
	path/filepath regexp slices sort strconv strings sync sync/atomic syscall time unicode runtime reflect
	unicode/utf16 unicode/utf8 unique
	compress/bzip2 compress/flate compress/gzip compress/lzw compress/zlib
	container/heap container/list container/ring
	crypto crypto/hmac crypto/md5 crypto/rand crypto/sha1 crypto/sha256 crypto/sha3 crypto/sha512 crypto/subtle
	encoding encoding/ascii85 encoding/base32 encoding/base64 encoding/binary encoding/csv encoding/hex
	encoding/json
	hash/adler32 hash/crc32 hash/crc64 hash/fnv hash/maphash
	io/ioutil
	math/big math/bits math/cmplx math/rand math/rand/v2
	text/scanner text/tabwriter text/template`)

// besides are the packages that single labs may import besides. A lab that needs one gets a line here.
var besides = map[string][]string{}

// Allowed reports whether the file of a lab may import a package.
func Allowed(lab, path string) bool {
	return path == "golang.org/x/text" || strings.HasPrefix(path, "golang.org/x/text/") ||
		slices.Contains(everywhere, path) || slices.Contains(besides[lab], path)
}

// only are the packages of which some names are allowed, and no other.
var only = map[string]*regexp.Regexp{
	// the errors, and the numbers and types of socket options
	"syscall": regexp.MustCompile(
		`^(WSA)?E[A-Z0-9]+$|^(Errno|Signal|Conn|RawConn|Handle|SetsockoptInt|GetsockoptInt)$|` +
			`^(SO|SOL|TCP|IPPROTO|AF|SOCK|MSG|SIG|SHUT)_?[A-Z0-9_]+$`,
	),
	"runtime": regexp.MustCompile(
		`^(Gosched|Goexit|GC|GOOS|GOARCH|NumCPU|NumGoroutine|KeepAlive|Caller|Callers|` +
			`CallersFrames|FuncForPC|Error|MemStats|ReadMemStats|Version|GOMAXPROCS|Stack)$`,
	),
}

// not are names that are not allowed, of packages of which all others are.
var not = map[string][]string{
	"os":      {"StartProcess", "FindProcess", "NewFile", "Process", "ProcAttr", "Executable"},
	"reflect": {"NewAt", "SliceAt"},
	"net":     {"FileConn", "FileListener", "FilePacketConn"},
}

// pointers are methods of reflect.Value and functions of sync/atomic with an unsafe.Pointer. Its type need
// not be named to be had: the compiler infers it, also from a method that is only declared.
var pointers = strings.Fields(`
	UnsafePointer SetPointer LoadPointer StorePointer SwapPointer CompareAndSwapPointer`)

// values are the functions and types of other packages that a package-level variable may call: they compute a
// value. Those of fmt call methods of what they are given, such as Error: code of the answer's own then runs
// before it is called, in the child alone, where it earns nothing (fmt_before_main among the attacks).
var values = strings.Fields(`
	errors.New errors.Join fmt.Errorf fmt.Sprint fmt.Sprintf
	regexp.MustCompile regexp.MustCompilePOSIX
	strings.Fields strings.Join strings.NewReplacer strings.Repeat strings.Split strings.ToLower strings.ToUpper
	bytes.Repeat context.Background net.IPv4 net.ParseIP
	net/netip.MustParseAddr net/netip.MustParseAddrPort net/netip.MustParsePrefix
	sync.OnceFunc sync.OnceValue sync.OnceValues hash/crc32.MakeTable
	time.Date time.Duration time.Month time.Now time.Unix os.FileMode io/fs.FileMode syscall.Errno`)

func allowedName(path, name string) bool {
	if names, ok := only[path]; ok {
		return names.MatchString(name)
	}
	return !slices.Contains(not[path], name)
}
