package remote

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// openFiles lists what the descriptors of this process stand for. It is asked of each child some thirty
// times, so it looks up the names in the folder that it has open, and not one path after the other.
func openFiles() (names []string) {
	dir, err := unix.Open("/proc/self/fd", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(dir)
	own := strconv.Itoa(dir)
	entries, target := make([]byte, 4<<10), make([]byte, unix.PathMax)
	var numbers []string
	for {
		n, err := unix.ReadDirent(dir, entries)
		if n <= 0 || err != nil {
			break
		}
		numbers = numbers[:0]
		for _, _, numbers = unix.ParseDirent(entries[:n], -1, numbers); len(numbers) > 0; numbers = numbers[1:] {
			if n, err := unix.Readlinkat(dir, numbers[0], target); err == nil && numbers[0] != own {
				names = append(names, string(target[:n]))
			}
		}
	}
	return names
}
