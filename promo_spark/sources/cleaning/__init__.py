"""Cleaning by policy, column by column: missing values filled, outliers marked, cut to a fence or rejected.

A row keeps what it had: `cleaned` names each column whose value was filled or changed, with what it was. What a
check of the column rejects is never rescued: it shapes no statistic and stays for the check to reject. Copies of a
row count once, so that a delivery that comes twice is cleaned like one. Cleaning what is clean changes nothing:
a cut value lies within the fence, and a fence stays where it was when what lay beyond is cut to it.
"""
