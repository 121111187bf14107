"""Every pair of bytes that Python's gb2312 accepts, with its character, one a line."""
for lead in range(256):
    for trail in range(256):
        try:
            text = bytes([lead, trail]).decode("gb2312")
        except UnicodeDecodeError:
            continue
        if len(text) == 1:
            print("%02x%02x %x" % (lead, trail, ord(text)))
