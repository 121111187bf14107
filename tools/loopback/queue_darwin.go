package loopback

const (
	tcpInfo   = 0x106 // TCP_CONNECTION_INFO in netinet/tcp.h
	tcpClosed = 0     // TCPS_CLOSED in netinet/tcp_fsm.h
)
