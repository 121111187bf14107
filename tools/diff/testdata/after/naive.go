package main

// naiveServe trusts one read to bring one message. 一次读取不等于一条消息，也不等于一次发送，这正是初学者最常犯的错误之一。
func naiveServe() {
	for {
		read() // 🐛
	}
}
