/* Linked as bin/credbroker is, and over at once. */
int
main(void)
{
	return 0;
}
