"""The steps of report: what each section of the page of a date is made of, by tables as of the date."""
