"""Predictions and policy → promotions: scenarios propose, pricing bounds, allocation chooses, invariants check.

users ──► eligibility ─┐
products ► scenarios ──┴► candidates ──► valuation ──► allocation ──► promotions ──► invariants
                                            ▲
lines, contacts ► response ─────────────────┘
"""
