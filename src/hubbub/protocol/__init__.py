"""sans-IO"""
