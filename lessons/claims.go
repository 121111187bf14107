package lessons

// Verdict says what is wrong with a claim.
type Verdict string

const (
	Wrong  Verdict = "wrong"  // it is not so
	Partly Verdict = "partly" // something is missing, or it holds in one case and is said of all
	Slip   Verdict = "slip"   // a line of code or a comment that cannot work
)

// Claim is one row of the ledger of claims: a sentence or line of one of the five tutorials that the
// course answers, numbered 000 to 004, which is not right as written.
type Claim struct {
	ID      string // the tutorial and the claim: "000-C17"
	Verdict Verdict
	Said    string // in English
	Quote   string // its own words, where they are worth reading; or ""
	So      string // what is so

	// Evidence is a list with semicolons: scenes ("04 glue"), tests ("04 TestBugGlue") and
	// references ("RFC 9293 3.4", "listen(2)", "Python socket"), the best first.
	Evidence string

	// Waits is the lesson, not yet written, that will show it; "" if a written one does.
	Waits string
}

// Chapter is what the ledger of claims has on one subject.
type Chapter struct {
	Title  string
	Claims []Claim
}

// Claims lists every claim of the tutorials that is not right as written, by subject, in the order in
// which the course gets to them.
var Claims = []Chapter{
	{"Addresses and ports", []Claim{
		{
			"001-C01", Partly, "An IP address identifies one independent host on the network.", "",
			"It identifies an interface. A host may have several, with an address or more each, " +
				"and behind a NAT many hosts share one.",
			"RFC 1122 3.3.4.1; RFC 4291 2.1; RFC 3022", "",
		},
		{
			"004-C05", Partly, "An IP address marks a computer, and is unique in the local " +
				"network.", "",
			"An interface, again: a notebook with cable and Wi-Fi has two in the same network. " +
				"Private addresses are used again in every other network.",
			"RFC 1122 3.3.4.1; RFC 1918", "",
		},
		{
			"004-C36", Partly, "The address identifies the host, protocol and port the process " +
				"in it.", "",
			"They identify a socket. One process has as many as it likes, and several processes " +
				"may share one.",
			"07 TestSamePort; socket(7)", "",
		},
		{
			"004-C37", Partly, "Address, protocol and port identify a process on the network.", "",
			"They name one end. A connection is known by five items: the protocol, and an " +
				"address and a port at each end.",
			"RFC 9293 4; 03 second-waits", "",
		},
		{
			"001-C05", Partly, "A port is the address of a process; different processes have " +
				"different ports.", "",
			"A port belongs to a socket. TCP and UDP count separately, so both may have port 8080, " +
				"and with SO_REUSEPORT or after a fork several processes share one.",
			"07 TestSamePort; socket(7)", "",
		},
		{
			"001-C04", Wrong, "127.0.0.1 can be used to test whether the network card is faulty.",
			"127.0.0.1 可用于简单的测试网卡是否故障",
			"What is sent there never reaches a card, it must not even leave the host. " +
				"It tests the system's own protocol software.",
			"RFC 1122 3.2.1.3", "",
		},
		{
			"004-C08", Partly, "On Linux the address is shown by ifconfig.", "",
			"Where that is installed. Its successor is ip address.",
			"ip-address(8); ifconfig(8)", "",
		},
		{
			"004-C09", Partly, "sudo ifconfig username down switches the card off, up switches " +
				"it on.", "",
			"The argument is the interface's name, such as eth0. Today: ip link set dev eth0 down.",
			"ip-link(8); ifconfig(8)", "",
		},
		{
			"004-C10", Partly, "The kinds of IP addresses are the ways to split the four " +
				"numbers.", "",
			"What counts is the length of the prefix, and that has no fixed places. " +
				"There are also private addresses, and IPv6.",
			"RFC 4632; RFC 1918; RFC 4291", "",
		},
		{
			"004-C12", Partly, "The first three groups are the network, the last one is the " +
				"host.", "",
			"Only with a prefix of 24 bits. The mask decides; fixed classes were given up in 1993.",
			"RFC 4632", "",
		},
		{
			"004-C13", Wrong, "To transmit anything, the network numbers must be the same.",
			"要想传输信息，网络号必须一样",
			"If they are the same, no router is needed. If they differ, the host sends to a " +
				"router. " +
				"Without that there would be no Internet.",
			"RFC 1122 3.3.1", "",
		},
		{
			"004-C15", Partly, "With two groups for the network there are 256 × 256 computers " +
				"in it.", "",
			"65,534: host numbers of only zeros and of only ones belong to no host.",
			"RFC 1122 3.2.1.3", "",
		},
		{
			"004-C50", Partly, "Ports go from 0 to 65535; those up to 1024 are reserved by the " +
				"system.", "",
			"Those up to 1023. Reserved means privileged, on Unix (on macOS not for the wildcard " +
				"address), and assigned by IANA.",
			"10 privileged; RFC 6335 6; ip(7)", "",
		},
		{
			"004-C21", Partly, "A program that uses a well-known port generally needs root.", "",
			"On Linux: CAP_NET_BIND_SERVICE, which root has, or a lower " +
				"ip_unprivileged_port_start. " +
				"Windows has no such rule.",
			"10 privileged; ip(7); capabilities(7)", "",
		},
		{
			"004-C22", Partly, "Dynamic ports are 1024 to 65535.", "",
			"By IANA's table 49152 to 65535; those from 1024 on are registered. " +
				"Linux hands out 32768 to 60999 unless it is told otherwise.",
			"10 port-zero; RFC 6335 6; Linux Documentation/networking/ip-sysctl.rst", "",
		},
	}},
	{"Listening and accepting", []Claim{
		{
			"000-C03", Partly, "The server declares a socket, and then bind waits for " +
				"connections.", "",
			"bind only gives the socket its address. listen lets connections come, accept waits " +
				"for one.",
			"01 listening-is-enough; bind(2); listen(2)", "",
		},
		{
			"001-C19", Wrong, "The server listens; its socket is not open yet.",
			"监听端口号请求，这时候服务器的 socket 并没有被打开",
			"It is: a client connects, sends and says goodbye before the server calls accept, " +
				"and its bytes wait.",
			"01 listening-is-enough", "",
		},
		{
			"001-C22", Partly, "The server's socket is opened at the client's request; accept " +
				"blocks until the " +
				"client returns connection information.", "",
			"The kernel shakes hands without accept. accept waits until a connection is " +
				"complete, and hands it over.",
			"01 listening-is-enough; 03 second-waits; accept(2)", "",
		},
		{
			"001-C25", Partly, "accept returns: the connection has succeeded.", "",
			"It has succeeded before, in the kernel. The client may long have sent something.",
			"01 listening-is-enough; 03 second-waits", "",
		},
		{
			"000-C07", Partly, "accept waits for a call and returns a socket object to receive " +
				"and send with.", "",
			"A pair: the socket and the client's address. The handshake is over by then.",
			"03 second-waits; Python socket; accept(2)", "",
		},
		{
			"002-C24", Wrong, "It is addr that is freed to wait for other clients.",
			"addr 就可以省下来等待其他新客户端的链接",
			"The listening socket goes on waiting. addr is only the address of the client that " +
				"has come.",
			"03 second-client; accept(2)", "",
		},
		{
			"000-C17", Wrong, "listen(5) is the half-open pool.",
			"listen(5) 半连接池",
			"Half-open connections are in another queue, that of the SYNs. listen(5) bounds the " +
				"queue of " +
				"connections that are complete and not accepted yet, since Linux 2.2.",
			"08 backlog; listen(2)", "",
		},
		{
			"003-C09", Wrong, "listen(5) is the size of the half-open pool.",
			"指定半连接池大小",
			"Of the accept queue (全连接队列): complete connections that nobody has accepted yet.",
			"08 backlog; listen(2)", "",
		},
		{
			"004-C51", Wrong, "The 5 is the size of the half-open pool.",
			"5 指的是半连接池的大小",
			"Of the accept queue. Half-open connections have another one, the SYN queue (半连接队列).",
			"08 backlog; listen(2)", "",
		},
		{
			"003-C10", Wrong, "accept takes a request out of the half-open pool and sets up the " +
				"link.",
			"从半连接池里面取出链接请求",
			"It takes a connection that is set up, out of the accept queue.",
			"01 listening-is-enough; 03 second-waits; accept(2)", "",
		},
		{
			"004-C46", Partly, "The server takes requests out of the half-open pool in a loop, " +
				"and talks to each in a loop.", "",
			"Two loops, yes. What accept takes is a finished connection.",
			"03 second-client; 01 listening-is-enough", "",
		},
		{
			"000-C05", Partly, "listen(n) sets the connection pool: how many clients can wait.", "",
			"Connections that wait for accept, not clients that are served. Linux lets n + 1 in, " +
				"and takes no n above somaxconn.",
			"08 backlog; listen(2); Linux include/net/sock.h", "",
		},
		{
			"001-C30", Partly, "The backlog is how many connections may hang before new ones " +
				"are refused.", "",
			"What happens then depends on the system. Linux drops the SYN, and the client tries " +
				"again until it times out.",
			"08 backlog; listen(2); tcp(7)", "",
		},
		{
			"002-C20", Partly, "listen sets the maximum number of connections; a full queue " +
				"refuses.", "",
			"It bounds those that nobody has accepted yet. Linux refuses nobody, it ignores the SYN.",
			"08 backlog; listen(2); tcp(7)", "",
		},
		{
			"003-C08", Wrong, "A comment says: the client connects to port 8880.", "",
			"The programs use 8080, 8083 and 8085. A client that believes the comment is refused.",
			"01 nobody-there", "",
		},
		{
			"004-C43", Partly, "socket.socket(AddressFamily, Type) has two arguments.", "",
			"Four, all with defaults: family, type, proto, fileno.",
			"Python socket", "",
		},
		{
			"004-C47", Slip, "socket.socket(socket,AF_INEF,…) makes a TCP or UDP socket.", "",
			"NameError. It is socket.socket(socket.AF_INET, socket.SOCK_STREAM), or SOCK_DGRAM.",
			"Python socket", "",
		},
		{
			"000-C37", Partly, "Closing the server's socket is optional.", "",
			"At the end of the process the system closes it. In a program that goes on, it " +
				"keeps its port.",
			"09 open-listener; _exit(2); close(2)", "",
		},
		{
			"004-C55", Partly, "Closing the connection is obligatory, closing the listening " +
				"socket optional.", "",
			"Neither is needed at the end of the program, both while it runs: a connection that " +
				"nobody " +
				"closes leaves its peer waiting.",
			"03 never-closed; 09 open-listener; _exit(2)", "",
		},
	}},
	{"Reading, sending, and taking turns", []Claim{
		{
			"000-C08", Partly, "recv(1024): the number is how much is received.", "",
			"It is the most. Any smaller number of bytes may come.",
			"04 split; 05 split-header", "",
		},
		{
			"001-C50", Partly, "How much recv gets depends on its argument.", "",
			"Only the most that it may get does.",
			"04 split; 05 split-header", "",
		},
		{
			"001-C51", Wrong, "The argument should in theory not exceed 8k.",
			"recv 内的参数，理论不应该超过 8k",
			"There is no such limit. One read takes as many bytes as are there and as have room.",
			"04 TestBigRead", "",
		},
		{
			"001-C37", Partly, "recv returns a string, and its flag can usually be ignored.", "",
			"Bytes, since Python 3; b\"\" is the end of the stream.",
			"Python socket; 02 spin", "",
		},
		{
			"000-C09", Partly, "send and recv must match one to one; if both sides send, or " +
				"both receive, both wait.", "",
			"Two sides that receive first do wait. Two that send do not, until the buffers are " +
				"full: " +
				"TCP goes both ways at once.",
			"01 both-listen; 12 in-turn; 12 TestBothSpeakFirst; RFC 9293 2.2", "",
		},
		{
			"000-C11", Partly, "Enter sends b\"\" to the server, which goes on waiting; so test " +
				"for empty input.", "",
			"The advice is right. But nothing at all is sent, and it is both sides that wait.",
			"02 empty-line", "",
		},
		{
			"003-C11", Partly, "Empty messages are not allowed: if it is empty, break.", "",
			"There is no empty message in a stream. A recv that returns nothing is its end.",
			"02 empty-line; 02 talk", "",
		},
		{
			"000-C33", Partly, "conn.send(res) sends the whole result.", "",
			"Usually, on a blocking socket. send may take less and returns how much; sendall " +
				"goes on. " +
				"Go's Write goes on, too.",
			"15 partial-send; 15 TestPythonWaits; send(2)", "",
		},
		{
			"001-C41", Wrong, "sendall calls send recursively inside.",
			"（sendall）内部通过递归调用 send",
			"In a loop.",
			"CPython Modules/socketmodule.c", "",
		},
		{
			"001-C49", Wrong, "sendall sends all data straight to the client, which puts it " +
				"into its buffer.",
			"sendall 会把数据直接全部发送到客户端，客户端将所有的数据都放到缓冲区",
			"It returns when the sender's own kernel has the data. The peer may be gone by " +
				"then. How much " +
				"the receiver's buffer takes is announced to the sender: the window.",
			"01 second-message; 15 partial-send; RFC 9293 3.8.6", "",
		},
		{
			"001-C44", Partly, "The timeout should be set right after the socket is made, say 5 s to connect.", "",
			"It may be set at any time, and anew before each read. Only for connect it has to be " +
				"there before.",
			"07 TestDeadlineOfEachExchange; 15 dial-timeout; 15 TestPythonWaits", "",
		},
	}},
	{"How a connection ends", []Claim{
		{
			"000-C12", Partly, "On mac and Linux a client's abnormal end raises nothing; the " +
				"server keeps receiving b\"\".", "",
			"b\"\" is an orderly end, on every system. A client that aborts raises " +
				"ConnectionResetError on Linux, too.",
			"02 talk; 02 reset; 02 spin", "",
		},
		{
			"004-C57", Wrong, "On Unix an empty recv means something abnormal: the client broke " +
				"off illegally.",
			"一旦 data 收到的是空，意味着一种异常的行为：客户端非法断开了连接",
			"It is the normal end: the peer has closed.",
			"02 talk; RFC 9293 3.6", "",
		},
		{
			"000-C13", Partly, "A client that leaves for no reason raises ConnectionResetError, " +
				"WinError 10054.", "",
			"10054 is Windows' number, and a killed client causes it there. On Linux a killed " +
				"client usually " +
				"ends in b\"\". A reset, error 104, comes from one that aborts or leaves bytes " +
				"unread.",
			"02 reset; 02 talk; Windows error 10054", "",
		},
		{
			"000-C14", Partly, "try … except ConnectionResetError avoids the crash.", "",
			"A client that leaves before its answer is sent is not always a reset: the server's next " +
				"write succeeds, the one after it raises BrokenPipeError, and the server crashes.",
			"02 unread-answer", "",
		},
		{
			"003-C13", Partly, "except Exception: break deals with whatever may go wrong.", "",
			"It keeps the server up, drops the client, and hides the server's own mistakes.",
			"02 swallowed", "",
		},
		{
			"004-C58", Partly, "except Exception is for Windows.", "",
			"Linux raises as well when a client aborts, and with this all other errors are hidden.",
			"02 reset; 02 swallowed", "",
		},
		{
			"003-C17", Slip, "client.close() stands at the end of each round of the loop.", "",
			"The first command is answered; the second one meets a closed socket (Errno 9 in " +
				"Python).",
			"02 close-inside", "",
		},
		{
			"001-C36", Partly, "close() closes the socket.", "",
			"It closes one descriptor. The connection ends when the last copy of it is closed.",
			"08 parents-copy; close(2)", "",
		},
		{
			"002-C13", Partly, "After close the active side can still receive.", "",
			"After shutdown(SHUT_WR) it can. After close nobody can read, and what still comes " +
				"is answered with a reset.",
			"11 half-close; 02 unread-answer; RFC 9293 3.6.1", "",
		},
		{
			"001-C27", Partly, "The client closes first, and then the server.", "",
			"Either may. The one that closes first has TIME-WAIT afterwards.",
			"01 second-message; 10 restart; RFC 9293 3.6", "",
		},
		{
			"004-C25", Partly, "The port is released when the program ends.", "",
			"If its side closed first, a connection stays behind in TIME-WAIT, a minute on " +
				"Linux. Without SO_REUSEADDR it holds the port, except on Windows.",
			"10 restart; 10 at-exit; RFC 9293 3.6; socket(7)", "",
		},
	}},
	{"Sticky packets (粘包)", []Claim{
		{
			"000-C21", Partly, "TCP packs small data that is sent at short intervals, and sends " +
				"it in one go.", "",
			"It may: Nagle's algorithm does. But the cause is that a stream has no boundaries: " +
				"two sends arrive " +
				"in two segments, and one read brings both.",
			"04 glue; 04 no-delay; 04 nagle-joins", "",
		},
		{
			"002-C64", Partly, "Short intervals and little data: TCP's optimisation sends them as one packet.", "",
			"It may: with Nagle's algorithm, while something is not yet acknowledged, or while the " +
				"receiver's window is full. Without either they stick just as well.",
			"04 nagle-joins; 04 no-delay", "",
		},
		{
			"002-C63", Wrong, "The sender waits until its buffer is full before it sends, and " +
				"that is why they stick.",
			"发送端需要等缓冲区满才发送出去，造成粘包",
			"Nothing waits for a full buffer. Nagle's algorithm holds a small segment back " +
				"while earlier data " +
				"is not acknowledged; the first one goes at once.",
			"04 nagle-joins; RFC 9293 3.7.4", "",
		},
		{
			"003-C34", Partly, "On the sending side TCP collects enough data before it sends a segment.", "",
			"A segment usually goes at once. Nagle's algorithm, a full window or a busy line may " +
				"hold it back.",
			"04 nagle-joins; RFC 9293 3.7.4", "",
		},
		{
			"003-C35", Partly, "Several small sends are merged by an optimisation (Nagle) into " +
				"a larger block.", "",
			"Only while earlier data is not acknowledged, and TCP_NODELAY, which Go sets, " +
				"switches it off.",
			"04 nagle-joins; 04 nagle; tcp(7)", "",
		},
		{
			"003-C60", Partly, "TCP joined the two sends into one and sent that to the server.", "",
			"They were two segments. They were joined in the receiver's queue, by a reader that " +
				"came late.",
			"04 no-delay; 04 glue", "",
		},
		{
			"003-C59", Partly, "The demonstration prints helloworld.", "",
			"Mostly. A reader that happens to be quick enough gets hello alone: nothing " +
				"promises either.",
			"04 glue; 04 prompt-reader", "",
		},
		{
			"002-C67", Partly, "A pause between the sends solves it, but costs efficiency.", "",
			"It does not even solve it: to a reader that is later than the pauses, all still " +
				"comes as one.",
			"04 pause", "",
		},
		{
			"003-C02", Wrong, "Much data at once leads to loss and incompleteness.",
			"大量数据的传入会造成数据的丢失和不完整",
			"TCP loses nothing. The rest waits in the queue, and comes with the next read.",
			"04 residue; 04 split", "",
		},
		{
			"003-C31", Partly, "A message is what one write sends.", "",
			"That is a convention of two programs. TCP does not know it, and keeps no boundary.",
			"04 glue; 04 split", "",
		},
		{
			"003-C32", Wrong, "TCP shows a message's segments in the kernel's buffer only when " +
				"the whole message is in order.",
			"TCP 协议层会把构成整条消息的数据段排序完成后才呈现在内核缓冲区",
			"A byte can be read as soon as all bytes before it have come. Half a message is " +
				"readable; " +
				"TCP does not know where one ends.",
			"05 split-header; 06 split-json", "",
		},
		{
			"003-C27", Partly, "The cure is to receive everything, each time.", "",
			"Everything of this message, and nothing of the next one.",
			"05 over-read; 05 split", "",
		},
		{
			"000-C22", Partly, "So the size given to recv must be controlled each time.", "",
			"That is needed, and not enough: recv may return less. So ask again until all of it " +
				"has come.",
			"05 split-header; 05 over-read", "",
		},
		{
			"003-C69", Partly, "The client receives everything beyond the limit perfectly.", "",
			"For one command whose answer is ASCII. A second answer that waits is taken along, " +
				"a character across " +
				"a read's edge is broken, an early end is never noticed.",
			"05 over-read; 05 cut-short; 04 cut-character", "",
		},
		{
			"002-C32", Partly, "The message 886 ends the conversation.", "",
			"If it comes alone in one recv. In two pieces, or glued to another message, it does not.",
			"04 two-commands; 08 cut-word; 12 cut-word", "",
		},
	}},
	{"Headers", []Claim{
		{
			"000-C23", Wrong, "struct can compress a long string of data into 4 bytes.",
			"struct 可以将一串很长的数据压缩成 4 个字节",
			"It writes one number into 4 bytes: the length. Nothing is compressed, and the data " +
				"follows whole.",
			"05 TestHeader; 05 byte-order; Python struct", "",
		},
		{
			"003-C63", Partly, "Receive a header of fixed length first.", "",
			"Right, but one recv(4) may bring fewer than 4 bytes.",
			"05 split-header", "",
		},
		{
			"003-C75", Partly, "4 bytes, and then exactly that much JSON.", "",
			"With one recv each; both may bring less.",
			"05 split-header; 06 split-json", "",
		},
		{
			"004-C74", Partly, "A header of fixed length, parse it, loop until total_size.", "",
			"One recv(4), reads beyond the end of the message, no look at the end of the " +
				"stream, and each piece " +
				"printed for itself.",
			"05 split-header; 05 over-read; 05 cut-short; 04 pieces", "",
		},
		{
			"000-C26", Partly, "Data larger than struct can carry cannot be unpacked, hence a " +
				"dictionary.", "",
			"'i' ends at 2,147,483,647, but 'q' has 8 bytes. The dictionary is for a name and a " +
				"checksum.",
			"05 overflow; 06 big; Python struct", "",
		},
		{
			"000-C28", Partly, "The length that is packed is len() of the JSON text.", "",
			"That counts characters, and bytes are sent. It comes out right only because " +
				"json.dumps writes ASCII by default.",
			"06 characters; Python json", "",
		},
		{
			"000-C32", Partly, "The client collects the pieces with += and counts until the " +
				"announced size.", "",
			"The result is right. Each += copies all that came before, a lost connection makes " +
				"it spin, and it " +
				"reads beyond the end.",
			"05 quadratic; 05 cut-short; 05 over-read", "",
		},
		{
			"003-C65", Slip, "Each piece that is received is decoded and printed.", "",
			"A character across the edge of a piece raises UnicodeDecodeError, or is broken.",
			"04 cut-character; 04 pieces", "",
		},
		{
			"003-C71", Partly, "The JSON header is the final template for everything.", "",
			"A good idea. The template has one recv for the JSON, and nobody compares the checksum.",
			"06 split-json; 06 checksum", "",
		},
		{
			"003-C74", Partly, "The header has file_name, total_size and md5.", "",
			"All three are constants there: the md5 is the word md5, and is never looked at.",
			"06 not-verified; 06 checksum", "",
		},
		{
			"004-C70", Partly, "A file is sent by opening it in binary mode and sending line by " +
				"line.", "",
			"A stream does not mind. But the receiver has to learn where the file ends: by a " +
				"length, or by the close.",
			"14 line-by-line; 04 split", "",
		},
	}},
	{"Text and commands", []Claim{
		{
			"000-C30", Partly, "The output of a command is decoded as GBK.", "",
			"On a Chinese Windows. Elsewhere it is an error, or worse: other characters and no " +
				"error.",
			"04 wrong-encoding", "",
		},
		{
			"002-C52", Partly, ".decode('gbk') for the output, right or wrong.", "",
			"On a Chinese Windows. The encoding is part of what two programs agree on.",
			"04 TestEncodingFlag; 04 wrong-encoding", "",
		},
		{
			"002-C53", Slip, "The server sends UTF-8, the client decodes GBK.", "",
			"你好 comes out as 浣犲ソ.",
			"04 wrong-encoding", "",
		},
		{
			"003-C12", Partly, "Linux and Mac use UTF-8, Windows GBK.", "",
			"It depends on the locale. GBK is code page 936, of a Chinese Windows.",
			"Python locale; Python codecs; 04 TestEncodingFlag", "",
		},
		{
			"004-C65", Partly, "Windows is GBK, Linux UTF-8.", "",
			"By locale, not by system; and the code says GBK everywhere.",
			"Python locale; 04 wrong-encoding", "",
		},
		{
			"004-C54", Partly, "data.upper() on the bytes.", "",
			"Right for ASCII and UTF-8. In GBK the second byte of a character may be that of a " +
				"letter: 乤 comes back as 丄.",
			"03 gbk-upper", "",
		},
		{
			"000-C31", Partly, "Popen(shell=True), then stdout.read() + stderr.read().", "",
			"It hangs when the command writes more to stderr than a pipe holds. communicate() " +
				"reads both.",
			"04 two-pipes; Python subprocess", "",
		},
		{
			"003-C14", Partly, "stdout is the result of success, stderr that of failure.", "",
			"Both may hold text either way, and nobody looks at the exit status. Reading one " +
				"pipe after the other may hang.",
			"04 TestRun; 04 two-pipes", "",
		},
		{
			"002-C48", Partly, "stdout: right results go into this pipe.", "",
			"Standard output does, whatever the exit status.",
			"04 TestRun", "",
		},
		{
			"002-C49", Partly, "stderr: errors go into another pipe.", "",
			"Warnings of commands that succeed go there, too. Nobody is told the exit status.",
			"04 TestRun; 15 exit-status", "",
		},
		{
			"002-C47", Partly, "shell=True: a command interpreter, like calling cmd.", "",
			"cmd.exe on Windows, /bin/sh elsewhere. Either runs whatever it is sent.",
			"04 TestRun; 04 two-commands; Python subprocess", "",
		},
		{
			"003-C18", Wrong, "Running an empty command raises an error.",
			"执行代码，代码为空会报错",
			"An empty command line runs, and prints nothing. It is never reached, because " +
				"nothing empty is sent.",
			"04 TestRun; 02 empty-line", "",
		},
		{
			"002-C46", Slip, "obj = Subprocess.Popen(…)", "",
			"The module is called subprocess.",
			"Python subprocess", "",
		},
	}},
	{"Many clients", []Claim{
		{
			"003-C06", Partly, "A server must always serve, and serve many clients at once.", "",
			"Goals. The servers that are shown serve one after the other.",
			"08 second-waits; 03 second-waits", "",
		},
		{
			"004-C60", Partly, "A server always serves, and serves many at once.", "",
			"Goals, again: the second client waits until the first one leaves.",
			"08 second-waits; 03 second-waits", "",
		},
		{
			"002-C38", Partly, "socketserver communicates with many clients at once.", "",
			"With ThreadingMixIn or ForkingMixIn. A plain TCPServer finishes one request before " +
				"it starts the next.",
			"09 TestPlainTCPServer; Python socketserver", "",
		},
		{
			"002-C44", Partly, "The flagship: a server for many clients, with threads.", "",
			"It does not look for b\"\", and a lost client leaves a traceback.",
			"09 TestLostClient; 02 spin; 02 reset", "",
		},
		{
			"002-C31", Slip, "except ConnectionResetError around the accept loop catches an " +
				"illegal disconnect.", "",
			"An error is caught where it rises: here in the process of that client.",
			"08 error-elsewhere; 02 reset", "",
		},
		{
			"001-C48", Partly, "Chat in turn: the client types, the server types, exit ends it.", "",
			"Only from the client, only if exit comes alone in one recv; and an empty line " +
				"makes both wait.",
			"12 in-turn; 02 empty-line; 08 cut-word", "",
		},
	}},
	{"UDP", []Claim{
		{
			"001-C09", Partly, "A UDP datagram is limited to 64K (8 bytes).", "",
			"65,535 bytes with its header, and the 8 bytes are the header. Over IPv4 65,507 bytes " +
				"of payload are left.",
			"07 too-big; RFC 768", "",
		},
		{
			"003-C42", Partly, "Because UDP supports one-to-many, the receiver's skbuff is a " +
				"chain of single packets.", "",
			"Linux queues datagrams one by one because each is a message. TCP has such a queue, " +
				"too. One-to-many has nothing to do with it.",
			"07 no-glue; Linux include/net/sock.h", "",
		},
		{
			"003-C48", Partly, "One recvfrom(x) belongs to exactly one sendto(y), and is done " +
				"after x bytes.", "",
			"It is done after one datagram, even a shorter one. Or it gets none, if that is lost.",
			"07 truncated; 07 overflow", "",
		},
		{
			"003-C53", Partly, "The two datagrams come from ports 56852 and 61798.", "",
			"One socket has one port. The comment mixes two runs.",
			"07 TestFixNoGlue", "",
		},
		{
			"003-C54", Partly, "recvfrom(5) of a larger message: WinError 10040.", "",
			"On Windows. Linux returns the first 5 bytes and says nothing. And the client that " +
				"is shown sends no such message.",
			"07 truncated; Windows error 10040", "",
		},
		{
			"003-C55", Wrong, "The client sends two messages, and the server receives only one.",
			"在 udp 服务端只接收到了一条数据",
			"It receives both, one with each recvfrom, as the program's own comments show.",
			"07 no-glue", "",
		},
		{
			"003-C57", Slip, "The UDP client then waits for an answer with recvfrom.", "",
			"The server never sends one: the client waits forever.",
			"07 both-wait", "",
		},
		{
			"004-C30", Partly, "If sending by UDP fails, the client cannot know.", "",
			"Mostly. If nobody is at that port, the other host says so by ICMP, and a connected " +
				"socket is told.",
			"07 nobody; RFC 1122 4.1.3.3", "",
		},
		{
			"004-C61", Partly, "UDP is connectionless, so whichever end starts first there is " +
				"no error.", "",
			"Not at the start. But a message to nobody is lost, and a client without a deadline " +
				"waits forever.",
			"07 any-order-start; 07 nobody; 07 both-wait", "",
		},
		{
			"003-C61", Partly, "UDP does not stick, but its safety is doubtful.", "",
			"Its reliability is: datagrams are lost, doubled and overtaken. In security it is " +
				"as bad as TCP; both carry " +
				"what anybody can read and write.",
			"07 overflow; 07 doubled; 07 overtaken; 07 forged", "",
		},
		{
			"004-C76", Partly, "Typed text is sent by UDP, in GB2312.", "",
			"GB2312 has 6763 Chinese characters. 镕 is not one of them and raises an error, and " +
				"the receiver has to know the encoding.",
			"13 unencodable; 13 undecodable; 13 gb2312-is-not-gbk; 13 TestCells; Python codecs", "",
		},
		{
			"004-C80", Slip, "The program sends to port 8080 and listens on 8888.", "",
			"Two copies of it never meet: nobody listens where they send.",
			"13 crossed-ports; 07 nobody", "",
		},
	}},
	{"TCP against UDP", []Claim{
		{
			"001-C15", Partly, "TCP is safe and reliable because of the three-way handshake.", "",
			"It is reliable because every byte has a number, is acknowledged, and is sent again " +
				"if it is not. " +
				"Nothing in it is secure.",
			"11 lost-and-resent; RFC 9293 2.2; RFC 9293 3.4; RFC 9293 7", "",
		},
		{
			"004-C34", Partly, "TCP is safe, stable and less efficient; UDP is unsafe and " +
				"efficient.", "",
			"Reliable and unreliable are meant. Neither is secure: that is what TLS is for.",
			"07 forged; RFC 9293 7; RFC 8446", "",
		},
		{
			"002-C02", Partly, "TCP is stable: the data is guaranteed to be received.", "",
			"It is delivered in order, or the connection fails. Nothing says that the other " +
				"program has read it.",
			"01 second-message; 02 unread-answer; RFC 9293 2.2", "",
		},
		{
			"004-C28", Partly, "If a transfer fails, the client sends again automatically.", "",
			"The sender's kernel does, on either side, until it gives up with an error: after " +
				"13 to 30 minutes on Linux.",
			"11 lost-and-resent; tcp(7); RFC 9293 3.8.3", "",
		},
		{
			"001-C11", Partly, "UDP is fast and efficient.", "",
			"It has no connection to set up, and waits for nothing. How fast a lot of data goes " +
				"depends on what " +
				"the application does itself to find the right pace.",
			"RFC 8085 3.1", "",
		},
		{
			"001-C16", Partly, "TCP is slow and inefficient.", "",
			"Setting up costs a round trip, and acknowledgements cost segments. A long transfer " +
				"fills the line.",
			"11 long-short; RFC 9293 3.5; RFC 7323 1", "",
		},
		{
			"002-C03", Partly, "TCP is a little slower than UDP.", "",
			"It takes a round trip to begin, and a lost segment holds up all that follow it. " +
				"The bytes are not slower.",
			"RFC 9293 3.5; RFC 9114 1.1", "",
		},
		{
			"002-C01", Partly, "TCP is used more than UDP.", "",
			"It depends on what is counted. HTTP/3 runs over QUIC, and QUIC over UDP. Most DNS queries and " +
				"calls use UDP.",
			"RFC 9000; RFC 9114", "",
		},
		{
			"002-C04", Partly, "Web servers mostly use TCP; for a bank transfer stability " +
				"matters more than speed.", "",
			"HTTP/1.1 and HTTP/2 do. HTTP/3 has its reliability from QUIC, over UDP.",
			"RFC 9114 1.2", "",
		},
		{
			"001-C12", Partly, "UDP in life: letters, live chat, video conferences.", "",
			"It fits media in real time. Chat needs every message in order, and is done over " +
				"TCP: IRC, XMPP.",
			"RFC 3550; RFC 6120 3; RFC 1459", "",
		},
		{
			"004-C31", Partly, "Important data by TCP, large data that matters less by UDP.", "",
			"Large files go by TCP, which finds the right pace. UDP suits what is useless when " +
				"it comes late.",
			"RFC 8085 3.1; RFC 3550", "",
		},
	}},
	{"Handshake and farewell", []Claim{
		{
			"001-C24", Partly, "The client, connected, sends its connection state to the server.", "",
			"That is the last ACK of the handshake. The kernel sends it, as a rule without data.",
			"11 three-way; RFC 9293 3.5", "",
		},
		{
			"002-C10", Partly, "Whoever receives data always sends an ACK.", "",
			"In the end, yes; but not one for each segment. It may wait for data to ride on, " +
				"and one ACK counts for all bytes before it.",
			"11 ack; 04 nagle-joins; RFC 9293 3.8.6.3", "",
		},
		{
			"002-C11", Partly, "Closing takes four steps.", "",
			"Four segments, or three when the second side's ACK and FIN travel together.",
			"11 four-way; RFC 9293 3.6", "",
		},
		{
			"002-C12", Partly, "The active side calls close, which sends a packet of length " +
				"zero with FIN.", "",
			"FIN is a flag. The segment that has it may carry data.",
			"11 four-way; RFC 9293 3.1", "",
		},
		{
			"002-C18", Partly, "Short connections: a little data each, many handshakes, as " +
				"browsers do.", "",
			"Since HTTP/1.1 a browser keeps a connection for many requests.",
			"11 long-short; RFC 9112 9.3", "",
		},
	}},
}
